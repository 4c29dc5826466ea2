"""What runstream costs and carries, measured. Each module is one command: `python -m benchmarks.log_call --help`."""
