"""Who goes on: one actor at a time, from one port call to the next, as a seed says."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")
Moment = Literal["before", "after"]


class Crash(BaseException):
    """The actor's process dies here: nothing after it runs."""


@dataclass(eq=False)
class Actor:
    """One process of the platform.

    Attributes:
        crash_at: the number of the call at which it dies, and whether before or after.
        retry: makes the actor that repeats the work where this one died, None where nobody does.
        waits_for: what must hold before it can go on.
    """

    name: str
    body: Callable[[], object]
    crash_at: tuple[Moment, int] | None = None
    retry: "Callable[[], Actor] | None" = None
    calls: int = 0
    ended: bool = False
    error: BaseException | None = None
    waits_for: Callable[[], bool] | None = None

    @property
    def can_go_on(self) -> bool:
        """Not ended, and not waiting for something that does not hold yet."""
        return not self.ended and (self.waits_for is None or self.waits_for())


class Scheduler:
    """Runs actors of which exactly one goes at a time; what they do is written into `trace`.

    Each actor is a greenlet: a stack of its own in this thread, so that going on with another one costs microseconds.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        # From another actor at nearly each call to a few changes: a race often needs one who does all of its work while
        # another one waits in the middle of theirs.
        self._stay = self.random.choice([0.0, 0.5, 0.8, 0.9, 0.95])
        self.trace: list[str] = []
        self.actors: list[Actor] = []
        self.deadlocked = False
        self._running: Actor | None = None
        self._home = getcurrent()

    def add(self, actor: Actor) -> None:
        """Let an actor begin, at the scheduler's next choice."""
        self.actors.append(actor)

    def run(self) -> None:
        """Until every actor has ended."""
        self._home = getcurrent()
        started: dict[Actor, greenlet] = {}
        last: Actor | None = None
        while alive := [actor for actor in self.actors if not actor.ended]:
            ready = [actor for actor in alive if actor.can_go_on]
            if not ready:
                self.deadlocked = True
                return
            stays = last in ready and self.random.random() < self._stay
            actor = last if stays and last is not None else self.random.choice(ready)
            self._running = last = actor
            started.setdefault(actor, greenlet(self._live)).switch(actor)
            self._running = None
            if actor.ended:
                self._note_end(actor)

    def _live(self, actor: Actor) -> None:
        try:
            actor.body()
        except BaseException as error:  # noqa: BLE001 - an actor's end is looked at by the scheduler
            actor.error = error
        actor.ended = True

    def _note_end(self, actor: Actor) -> None:
        if isinstance(actor.error, Crash):
            self.trace.append(f"{actor.name}: DIES")
        elif actor.error is not None:
            self.trace.append(f"{actor.name}: FAILS, {type(actor.error).__name__}: {actor.error}"[:300])
        if isinstance(actor.error, Crash) and actor.retry is not None:
            self.add(actor.retry())

    def call(
        self,
        said: str,
        action: Callable[[], T],
        *,
        when: Callable[[], bool] | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> T:
        """One call of a port: others may go on before it, and the caller may die before or after it.

        Args:
            when: what must hold for it to be made.
            look: what is watched once it was made.
        """
        actor = self._running
        if actor is None:  # the setting, healing and checks: nobody else is there
            answer = action()
            look()
            return answer
        actor.waits_for = when
        self._home.switch()
        actor.waits_for = None
        number, actor.calls = actor.calls, actor.calls + 1
        if actor.crash_at == ("before", number):
            self.trace.append(f"{actor.name}: dies before {said}")
            raise Crash
        try:
            answer = action()
        except Exception as error:
            self.trace.append(f"{actor.name}: {said} raises {type(error).__name__}")
            raise
        self.trace.append(f"{actor.name}: {said}{_answered(answer)}")
        look()
        if actor.crash_at == ("after", number):
            raise Crash
        return answer


def _answered(answer: object) -> str:
    if answer is None or isinstance(answer, str | int | float):
        return "" if answer is None else f" -> {answer}"
    return f" -> {len(answer)} rows" if hasattr(answer, "columns") and hasattr(answer, "__len__") else ""
