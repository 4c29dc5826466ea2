"""The journal: a memory-mapped ring on local disk that makes `log` quick and lets a killed process lose nothing.

layout   what stands where in the file
place    where the file may lie (never on a network file system)
header   its first page: progress, counters, how the attempt ended
ring     the mapped file: chunks, the table of shipments
turn     the lock: one caller at a time
rows     one function for each key set, which writes a row
records  where the next record stands: rows, key sets, events
writer   the caller's side: one row for each call of `log`
ahead    pages made ready before the writer comes to them
reader   the other side: committed rows and events, in order
"""
