"""One model, many users: a line in which each waits for the turn. First come, first served, and no longer than it may be."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag.errors import ModelError, QuestionError

WAITING = 32
"""How many may wait beside the one whose turn it is: at four seconds an answer, the last of them waits two minutes."""
SECONDS = 120.0
"""How long a turn may last: thirty usual answers, for a machine that is slow, or that reads somebody's new article meanwhile."""


class Queue:
    """A line of at most `waiting` places beside the one whose turn it is; a turn ends after `seconds`. Safe between threads.

    >>> queue = Queue()
    >>> first, second = queue.join(), queue.join()
    >>> with first.turn():
    ...     first.ahead, second.ahead
    (0, 1)
    >>> second.ahead
    0
    """

    def __init__(self, *, waiting: int = WAITING, seconds: float = SECONDS) -> None:
        self.waiting, self.seconds = waiting, seconds
        self._changed = threading.Condition()
        self._places: list[Place] = []  # as they came; who has the turn is one of them
        self._served: Place | None = None

    def join(self, ready: Callable[[], bool] = lambda: True) -> Place:
        """A place at the end of the line. Raises QuestionError when the line is full.

        As long as it is not `ready`, others are served before it, and it holds up nobody; `wake` has that looked at again.
        """
        with self._changed:
            if len(self._places) > self.waiting:
                raise QuestionError(f"Busy: {self.waiting} questions are waiting already. Try again in a minute.")
            place = Place(self, ready)
            self._places.append(place)
            return place

    def wake(self) -> None:
        """Tell those who wait that a place may have become ready."""
        with self._changed:
            self._changed.notify_all()


class Place:
    """A place in a Queue, from `join`. Whoever has one calls `turn`, or `leave`, which any thread may do at any moment."""

    def __init__(self, queue: Queue, ready: Callable[[], bool]) -> None:
        self._queue, self._ready = queue, ready
        self._left = False
        self._ends = 0.0

    @property
    def ahead(self) -> int:
        """How many come before it: 1 is the next, 0 the one being served; 0 also when it was left."""
        queue = self._queue
        with queue._changed:
            if self is queue._served or self not in queue._places:
                return 0
            before = queue._places[: queue._places.index(self)]
            return len(before) + (queue._served is not None and queue._served not in before)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and have it until the end of the block. Raises QuestionError when the place was left."""
        queue = self._queue
        try:
            with queue._changed:
                queue._changed.wait_for(lambda: self._left or self._next)
                self._stay()
                queue._served, self._ends = self, time.monotonic() + queue.seconds
            yield
        finally:
            with queue._changed:
                if queue._served is self:
                    queue._served = None
                self.leave()

    def check(self) -> None:
        """Raise QuestionError when the place was left, ModelError when the turn has lasted too long."""
        self._stay()
        if time.monotonic() > self._ends:
            raise ModelError(f"This took longer than {self._queue.seconds:g} seconds and was ended. Try again.")

    def leave(self) -> None:
        """Free the place at once; a turn that has begun goes on until its next `check`."""
        queue = self._queue
        with queue._changed:
            self._left = True
            if self in queue._places and self is not queue._served:
                queue._places.remove(self)
            queue._changed.notify_all()

    @property
    def _next(self) -> bool:
        queue = self._queue
        return not queue._served and self is next((place for place in queue._places if place._ready()), None)

    def _stay(self) -> None:
        if self._left:
            raise QuestionError("The question was stopped.")
