"""`make bench`: the figures of docs/benchmarks.md, measured on the machine that runs it."""
