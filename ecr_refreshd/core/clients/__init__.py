"""Which credential each client of a registry would send, decided as its own code decides: one module per family.

The rules were read in the clients' sources and are held against the real programs by a table of states
(tests/e2e/test_clients_agree.py). Nothing is read or run here: files and helpers come in as functions.
"""
