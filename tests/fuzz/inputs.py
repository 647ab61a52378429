"""What a fuzzer's octets mean: a few choices first, then the data."""


class Choices:
    """Reads choices from the front of the octets; zeros where there are no more."""

    def __init__(self, octets):
        self._octets = octets
        self._at = 0

    def byte(self):
        at = self._at
        self._at += 1
        return self._octets[at] if at < len(self._octets) else 0

    def bits(self, count):
        number = self.byte()
        return [bool(number >> bit & 1) for bit in range(count)]

    def one_of(self, values):
        return values[self.byte() % len(values)]

    def take(self, size):
        taken = self._octets[self._at : self._at + size]
        self._at += size
        return taken

    def rest(self):
        return self.take(len(self._octets))

    @property
    def more(self):
        return self._at < len(self._octets)


def pieces(octets, size):
    """The octets in pieces; of growing size where `size` is 0."""
    start, step = 0, size or 1
    while start < len(octets):
        yield octets[start : start + step]
        start += step
        step += not size


class FindingError(AssertionError):
    """Something that must never be."""


def expect(condition, *what):
    """Raise, with what shows it, where something is not as it must be."""
    if not condition:
        raise FindingError(*what)
