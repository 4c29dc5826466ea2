"""Where shipments go: the event log."""
