"""Metrics of the machine: who samples on a node, what is read, and how counters become rates."""
