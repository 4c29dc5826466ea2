"""The journal: a memory-mapped ring on local disk that makes `log` quick and lets a killed process lose nothing.

layout   what stands where in the file
place    where the file may lie (never on a network file system)
ring     the mapped file: chunks, counters, the table of shipments
writer   the caller's side: one row for each call of `log`
reader   the other side: committed rows and events, in order
"""
