"""What all tests take for granted of the process they run in."""

from __future__ import annotations

import signal

# A shell starts its background jobs with SIGINT ignored, nohup with SIGHUP; children inherit that, and would not
# end as those of a terminal do.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
