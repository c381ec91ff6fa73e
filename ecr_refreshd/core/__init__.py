"""The pure core: values and decisions only.

Rules of the room: standard library only; no clock, no file, no thread, no environment. Time, randomness and
bytes come in as arguments, so that every promise can be tested as data.
"""
