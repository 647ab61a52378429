"""Inputs made from seeds by chance; the same ones for the same seed number."""

import random


def inputs(seeds, words, count, seed):
    """The seeds as they are, then ``count`` mutations of them."""
    yield from seeds
    chance = random.Random(seed)
    for _ in range(count):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            mutate(octets, seeds, words, chance)
        yield bytes(octets)


def mutate(octets, seeds, words, chance):
    at = chance.randrange(len(octets) + 1)
    match chance.randrange(8):
        case 0 if at < len(octets):
            octets[at] ^= 1 << chance.randrange(8)
        case 1 if at < len(octets):
            octets[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        case 2:
            octets.insert(at, chance.randrange(256))
        case 3:
            octets[at:at] = chance.choice(words)
        case 4:
            word = chance.choice(words)
            octets[at : at + len(word)] = word
        case 5:
            del octets[at : at + chance.choice((1, 1, 2, 8))]
        case 6:
            size = chance.choice((1, 4, 16, 64))
            octets[at:at] = octets[at : at + size] * chance.choice((1, 1, 3, 100))
        case _:
            other = chance.choice(seeds)
            octets[at:] = other[chance.randrange(len(other) + 1) :]
    del octets[4096:]
