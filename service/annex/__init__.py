"""A process beside the service in which long articles are made into summaries.

Reading an article of megabytes takes seconds of regular expressions and millions of small objects, which hold
the interpreter's lock however many threads there are. What it takes from outside stays with the service: the
model, with all limits around it, and the store are lent to the process, call by call.
"""

from service.annex.host import Annex
from service.annex.messages import Equipment

__all__ = ["Annex", "Equipment"]
