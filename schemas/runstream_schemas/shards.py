"""Which shard of a cluster holds a run: 1,024 fixed buckets of `cityHash64(run_id)`, each mapped to a shard.

The hash of a run never changes and the map is written down, so that everything of a run lies together, and adding a
shard moves only the buckets that it takes over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

BUCKETS: Final = 1024
"""Many more than shards, so that shards are filled evenly, and few enough for a map that can be read."""


class ShardMapError(ValueError):
    """A map that cannot be used; the message says what is wrong with it, and where."""


@dataclass(frozen=True)
class ShardMap:
    """The shard of every bucket. Shards count from 1, as in `system.clusters`."""

    shards: tuple[int, ...]
    """By bucket."""

    def __post_init__(self) -> None:
        if len(self.shards) != BUCKETS:
            raise ShardMapError(f"a shard map has {BUCKETS} lines, one a bucket, and this one has {len(self.shards)}")
        wrong = [shard for shard in self.shards if shard < 1]
        if wrong:
            raise ShardMapError(f"shards count from 1, and the map names {wrong[0]}")

    @property
    def greatest(self) -> int:
        """The greatest shard number: the cluster must have at least as many."""
        return max(self.shards)

    @property
    def sharding_key(self) -> str:
        """The sharding expression of a Distributed table: the shard's position, counted from 0, of a row's run."""
        return f"[{', '.join(str(shard - 1) for shard in self.shards)}][cityHash64(run_id) % {BUCKETS} + 1]"

    @property
    def text(self) -> str:
        """The map as a file: line n is the shard of bucket n - 1."""
        return "".join(f"{shard}\n" for shard in self.shards)


@dataclass(frozen=True)
class Move:
    """Buckets that go from one shard to another."""

    source: int
    target: int
    buckets: tuple[int, ...]


def bucket_of(run_id: UUID) -> int:
    """The bucket of a run, as ClickHouse computes `cityHash64(run_id) % 1024`."""
    # ClickHouse keeps a UUID as two integers and hashes their bytes; for 16 bytes CityHash 1.0.2 is this.
    first, second = run_id.int >> 64, run_id.int & _MASK
    rotated = (second + 16) & _MASK
    rotated = (rotated >> 16 | rotated << 48) & _MASK
    return (_mix(first, rotated) ^ second) % BUCKETS


def even(count: int) -> ShardMap:
    """The default for a cluster of `count` shards: contiguous ranges of buckets, as equal as they can be."""
    if not 1 <= count <= BUCKETS:
        raise ShardMapError(f"a cluster has 1 to {BUCKETS} shards, not {count}")
    return ShardMap(tuple(bucket * count // BUCKETS + 1 for bucket in range(BUCKETS)))


def parse(text: str) -> ShardMap:
    """Read a map from a file's text: a shard number a line; `#` begins a comment, and empty lines are passed over."""
    shards = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        if not (content.isascii() and content.isdigit()):
            raise ShardMapError(f"line {number} of the shard map is {content[:40]!r}, not the number of a shard")
        shards.append(int(content))
    return ShardMap(tuple(shards))


def rebalanced(old: ShardMap, count: int) -> ShardMap:
    """A map for `count` shards, as even as can be, for which the fewest buckets move."""
    even(count)  # Refuses what cannot be.
    sizes = Counter(old.shards)
    numbers = range(1, count + 1)
    # Where the buckets do not divide evenly, the shards that hold most keep one more: that saves a move each.
    quotas = dict.fromkeys(numbers, BUCKETS // count)
    for shard in sorted(numbers, key=lambda shard: (-sizes[shard], shard))[: BUCKETS % count]:
        quotas[shard] += 1
    kept: Counter[int] = Counter()
    shards = [0] * BUCKETS
    for bucket, shard in enumerate(old.shards):
        if kept[shard] < quotas.get(shard, 0):
            kept[shard] += 1
            shards[bucket] = shard
    vacancies = iter([shard for shard in numbers for _ in range(quotas[shard] - kept[shard])])
    return ShardMap(tuple(shard or next(vacancies) for shard in shards))


def moves(old: ShardMap, new: ShardMap) -> list[Move]:
    """What differs between two maps, by source and target."""
    found: dict[tuple[int, int], list[int]] = {}
    for bucket, pair in enumerate(zip(old.shards, new.shards, strict=True)):
        if pair[0] != pair[1]:
            found.setdefault(pair, []).append(bucket)
    return [Move(source, target, tuple(buckets)) for (source, target), buckets in sorted(found.items())]


def in_buckets(buckets: Iterable[int]) -> str:
    """The SQL condition for rows of runs in some buckets."""
    return f"cityHash64(run_id) % {BUCKETS} IN ({', '.join(map(str, buckets))})"


_MASK: Final = (1 << 64) - 1
_MULTIPLIER: Final = 0x9DDFEA08EB382D69


def _mix(low: int, high: int) -> int:
    mixed = ((low ^ high) * _MULTIPLIER) & _MASK
    mixed ^= mixed >> 47
    mixed = ((high ^ mixed) * _MULTIPLIER) & _MASK
    mixed ^= mixed >> 47
    return (mixed * _MULTIPLIER) & _MASK
