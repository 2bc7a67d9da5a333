"""What a monitoring system may scrape: no project, user or machine among the labels, and origins from a known list.

Counting is a dictionary's work, so that it costs the hot operations nothing; the text is made when somebody asks.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

import onduty
from onduty.health import trouble
from onduty.rooms import Rooms
from onduty.sessions.service import STATES, judge

CONTENT_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8"
KNOWN_ORIGINS: Final = ("claude-code", "codex", "gemini-cli", "copilot-cli", "opencode", "cursor")


@dataclass(slots=True, eq=False)
class Metrics(Collector):
    """Collects at each scrape what the rooms hold."""

    rooms: Rooms

    def text(self) -> bytes:
        """The exposition format's text."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        yield from (self._requests(), self._sessions(), self._events())
        now, rooms = self.rooms.clock.now(), self.rooms
        gauges = {
            "onduty_ready": ("1 where nothing keeps the server from being ready", not trouble(rooms)),
            "onduty_streams": ("Open presence streams", len(rooms.presence.streams)),
            "onduty_live_streams": ("Open streams of what changes", len(rooms.streams.streams)),
            "onduty_write_lag_seconds": ("Age of the oldest unwritten activity", rooms.keeping.lag_ms(now) / 1000),
            "onduty_sessions_in_memory": ("Agent sessions in memory", len(rooms.registry.sessions)),
            "onduty_statements": ("Statements run on the database since the start", rooms.database.statements),
        }
        for name, (about, value) in gauges.items():
            gauge = GaugeMetricFamily(name, about)
            gauge.add_metric([], float(value))
            yield gauge
        build = GaugeMetricFamily("onduty_build", "The version that runs", labels=["version"])
        build.add_metric([onduty.__version__], 1)
        yield build

    def _requests(self) -> Metric:
        family = CounterMetricFamily("onduty_requests", "Requests answered", labels=["operation", "status"])
        for (operation, status), count in sorted(self.rooms.answered.items()):
            family.add_metric([operation, str(status)], count)
        return family

    def _sessions(self) -> Metric:
        now, registry = self.rooms.clock.now(), self.rooms.registry
        found = Counter(
            (origin(session.caller_origin), judge(session, now, registry.gaps).state)
            for session in registry.sessions.values()
            if registry.shown(session, now)[0]
        )
        family = GaugeMetricFamily("onduty_sessions", "Agent sessions in memory", labels=["origin", "state"])
        for name in (*KNOWN_ORIGINS, "other"):
            for state in STATES:
                family.add_metric([name, state], found[name, state])
        return family

    def _events(self) -> Metric:
        family = CounterMetricFamily("onduty_events", "Events of agents", labels=["kind", "status"])
        for (kind, status), count in sorted(self.rooms.events.counted.items()):
            family.add_metric([kind, status], count)
        return family


def origin(caller_origin: str | None) -> str:
    """An origin as a label: one of the known, or `other`."""
    return caller_origin if caller_origin in KNOWN_ORIGINS else "other"
