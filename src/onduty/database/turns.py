"""So many at once, or one alone: who waits is served in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns for `many` at once. One who asks to be alone waits for those before, and holds up those after."""

    def __init__(self, many: int) -> None:
        self._many = many
        self._free = asyncio.Semaphore(many)
        # Two who each held half of the turns would wait for one another for ever.
        self._gathering = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        async with self._free:
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        held = 0
        async with self._gathering:
            try:
                while held < self._many:
                    await self._free.acquire()
                    held += 1
                yield
            finally:
                for _ in range(held):
                    self._free.release()
