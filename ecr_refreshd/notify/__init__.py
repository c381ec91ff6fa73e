"""Telling people: desktop, command, webhook; the hook that hears of renewals; a sign-in started for a person.

Nothing here decides; `core.notices` says what is told. Whatever may hang runs in a process of its own, bounded.
"""
