"""The world outside, on loopback: an AWS and a registry that answer as the real ones do, and a real engine.

Everything but `engine` needs the standard library only, so that the demo runs it on a bare Python.
"""
