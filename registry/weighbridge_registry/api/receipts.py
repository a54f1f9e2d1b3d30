# SPDX-License-Identifier: Apache-2.0
"""Answers to submissions, made for many at once: a batch of the log is published as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool

from weighbridge_registry.queries import Queries
from weighbridge_schemas.api import SubmissionResult

__all__ = ["Receipts"]

_Places: TypeAlias = Sequence[tuple[int, bool]]


class Receipts:
    """Answers for submitted statements, from one snapshot for all who ask at one time.

    Used from the event loop only.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._asked: list[tuple[_Places, asyncio.Future[tuple[SubmissionResult, ...]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def answer(self, places: _Places) -> tuple[SubmissionResult, ...]:
        """Answer for statements that are published, given as (index, created)."""
        future: asyncio.Future[tuple[SubmissionResult, ...]] = asyncio.get_running_loop().create_future()
        self._asked.append((places, future))
        if self._task is None:
            self._task = asyncio.create_task(self._answer_all())
        return await future

    async def _answer_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            every = [place for places, _ in asked for place in places]
            try:
                results = iter(await run_in_threadpool(self._queries.submissions, every))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who asked are told
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for places, future in asked:
                found = tuple(islice(results, len(places)))
                if not future.done():  # whoever asked may have gone
                    future.set_result(found)
        self._task = None
