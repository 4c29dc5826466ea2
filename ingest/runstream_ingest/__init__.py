"""The ingest worker: from the event log into the store, without decoding metrics."""
