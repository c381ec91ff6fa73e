"""The machine we run on: clocks and alarms, watched folders, sockets, locks, logs and places.

Rules of the room: nothing here decides anything; it reports to whoever made it.
"""
