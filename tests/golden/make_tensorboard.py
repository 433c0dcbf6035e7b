"""Makes tests/golden/tensorboard.hex: a TensorBoard event file, encoded by hand from the formats' definitions.

The bytes share no code with the program: CRC-32C bit by bit, protobuf fields written out. Run it from the
repository's root: python3 tests/golden/make_tensorboard.py > tests/golden/tensorboard.hex
"""
import struct


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(number):
    text = b""
    while number > 127:
        text += bytes([number & 127 | 128])
        number >>= 7
    return text + bytes([number])


def key(field, wire_type):
    return varint(field << 3 | wire_type)


def block(field, data):
    return key(field, 2) + varint(len(data)) + data


def event(wall_time, step, what):
    step_field = b"" if step is None else key(2, 0) + varint(step)
    return record(key(1, 1) + struct.pack("<d", wall_time) + step_field + what)


def value(tag, number):
    return block(1, block(1, tag.encode()) + key(2, 5) + struct.pack("<f", number))


assert crc32c(b"123456789") == 0xE3069283
events = [
    event(1700000000.25, None, block(3, b"brain.Event:2")),
    event(1700000000.25, 301, block(7, key(1, 0) + varint(1))),
    event(1700000000.25, 301, block(5, value("train/loss", 2.5) + value("extra/reward", -0.125))),
    event(1700000000.25, 302, block(5, value("train/loss", 1e30))),
]
for one in events:
    print(one.hex())
