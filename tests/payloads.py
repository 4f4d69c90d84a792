"""Dump payloads made by hand, as Redis of all ages wrote them: from the documentation of the format, not with a server.

What is packed here is packed as those servers did it: strings that are integers as integers. As a program it writes a
file for each kind of value into a folder, the seeds of the fuzzer.
"""
import os
import struct
import sys

CRC_POLYNOMIAL = 0x95ac9329ac4bc9b5


def crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (CRC_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


CRC_TABLE = crc_table()


def crc64(data, crc=0):
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def sealed(body, version):
    body += struct.pack('<H', version)
    return body + struct.pack('<Q', crc64(body))


def length(n):
    if n < 1 << 6:
        return bytes([n])
    if n < 1 << 14:
        return bytes([0x40 | n >> 8, n & 255])
    return b'\x80' + struct.pack('>I', n) if n < 1 << 32 else b'\x81' + struct.pack('>Q', n)


def string(text):
    return length(len(text)) + text


def integer_of(text):
    """The integer whose decimal form the text is, or None."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number).encode() == text and -2 ** 63 <= number < 2 ** 63 else None


def dumped_int(number):
    """A string in one of the forms for small integers."""
    if -128 <= number < 128:
        return b'\xc0' + struct.pack('<b', number)
    if -2 ** 15 <= number < 2 ** 15:
        return b'\xc1' + struct.pack('<h', number)
    return b'\xc2' + struct.pack('<i', number)


def ziplist_entry(text):
    number = integer_of(text)
    if number is None:
        n = len(text)
        if n < 64:
            return bytes([n]) + text
        return struct.pack('>H', 0x4000 | n) + text if n < 1 << 14 else b'\x80' + struct.pack('>I', n) + text
    if 0 <= number <= 12:
        return bytes([0xf1 + number])
    for form, fmt, bits in ((0xfe, '<b', 8), (0xc0, '<h', 16), (0xf0, None, 24), (0xd0, '<i', 32), (0xe0, '<q', 64)):
        if -2 ** (bits - 1) <= number < 2 ** (bits - 1):
            packed = struct.pack(fmt, number) if fmt else struct.pack('<i', number)[:3]
            return bytes([form]) + packed
    raise ValueError(text)


def ziplist(texts):
    entries, before, last = b'', 0, 10
    for text in texts:
        entry = ziplist_entry(text)
        head = bytes([before]) if before < 254 else b'\xfe' + struct.pack('<I', before)
        last = 10 + len(entries)
        before = len(head) + len(entry)
        entries += head + entry
    count = min(len(texts), 65535)
    return struct.pack('<IIH', 11 + len(entries), last, count) + entries + b'\xff'


def zipmap(pairs, free=0):
    out = bytes([min(len(pairs), 254)])
    for name, value in pairs:
        for i, text in enumerate((name, value)):
            out += bytes([len(text)]) if len(text) < 254 else b'\xfe' + struct.pack('<I', len(text))
            out += bytes([free]) * i + text
        out += b'?' * free
    return out + b'\xff'


def listpack_entry(text):
    number = integer_of(text)
    if number is None:
        n = len(text)
        head = bytes([0x80 | n]) if n < 64 else \
            bytes([0xe0 | n >> 8, n & 255]) if n < 4096 else b'\xf0' + struct.pack('<I', n)
        body = head + text
    elif 0 <= number < 128:
        body = bytes([number])
    elif -4096 <= number < 4096:
        body = bytes([0xc0 | (number >> 8 & 31), number & 255])
    else:
        form, size = next((f, s) for f, s in ((0xf1, 2), (0xf2, 3), (0xf3, 4), (0xf4, 8))
                          if -2 ** (8 * s - 1) <= number < 2 ** (8 * s - 1))
        body = bytes([form]) + number.to_bytes(size, 'little', signed=True)
    return body + backwards(len(body))


def backwards(size):
    back = []
    while True:
        back.insert(0, size & 127)
        size >>= 7
        if size == 0:
            break
    return bytes([back[0]] + [b | 128 for b in back[1:]])


def wide_entry(text):
    """As nobody writes it: in the longest form there is."""
    number = integer_of(text)
    body = b'\xf0' + struct.pack('<I', len(text)) + text if number is None else b'\xf4' + struct.pack('<q', number)
    return body + backwards(len(body))


def listpack(texts, entry=listpack_entry):
    entries = b''.join(entry(t) for t in texts)
    return struct.pack('<IH', 7 + len(entries), min(len(texts), 65535)) + entries + b'\xff'


def intset(numbers):
    width = next(w for w in (2, 4, 8) if all(-2 ** (8 * w - 1) <= n < 2 ** (8 * w - 1) for n in numbers))
    return struct.pack('<II', width, len(numbers)) + b''.join(
        n.to_bytes(width, 'little', signed=True) for n in sorted(numbers))


def flat(pairs):
    return [word for pair in pairs for word in pair]


# Each is the body of a payload: kind and value. texts, pairs, ... are bytes; scores are floats.

def plain_list(texts):
    return b'\x01' + length(len(texts)) + b''.join(map(string, texts))


def ziplist_list(texts):
    return b'\x0a' + string(ziplist(texts))


def quicklist(nodes):
    """3.2 to 6.2: each node a ziplist."""
    return b'\x0e' + length(len(nodes)) + b''.join(string(ziplist(n)) for n in nodes)


def quicklist2(nodes):
    """7.0: each node a listpack, or one text as it is."""
    return b'\x12' + length(len(nodes)) + b''.join(
        b'\x01' + string(n) if isinstance(n, bytes) else b'\x02' + string(listpack(n)) for n in nodes)


def plain_set(texts):
    return b'\x02' + length(len(texts)) + b''.join(map(string, texts))


def intset_set(numbers):
    return b'\x0b' + string(intset(numbers))


def listpack_set(texts):
    return b'\x14' + string(listpack(texts))


def old_double(score):
    if score != score:
        return b'\xfd'
    if score in (float('inf'), float('-inf')):
        return b'\xfe' if score > 0 else b'\xff'
    text = b'%.17g' % score
    return bytes([len(text)]) + text


def old_zset(pairs):
    return b'\x03' + length(len(pairs)) + b''.join(string(m) + old_double(s) for m, s in pairs)


def zset2(pairs):
    return b'\x05' + length(len(pairs)) + b''.join(string(m) + struct.pack('<d', s) for m, s in pairs)


def score_text(score):
    return b'%d' % score if score == int(score) else b'%.17g' % score


def ziplist_zset(pairs):
    return b'\x0c' + string(ziplist(flat((m, score_text(s)) for m, s in pairs)))


def listpack_zset(pairs):
    return b'\x11' + string(listpack(flat((m, score_text(s)) for m, s in pairs)))


def plain_hash(pairs):
    return b'\x04' + length(len(pairs)) + b''.join(map(string, flat(pairs)))


def zipmap_hash(pairs, free=0):
    return b'\x09' + string(zipmap(pairs, free))


def ziplist_hash(pairs):
    return b'\x0d' + string(ziplist(flat(pairs)))


def listpack_hash(pairs):
    return b'\x10' + string(listpack(flat(pairs)))


def earliest(fields):
    return min(due for _, _, due in fields if due)


def metadata_hash(fields):
    """7.4: fields are (name, value, deadline or 0)."""
    first = earliest(fields)
    return b'\x18' + struct.pack('<Q', first) + length(len(fields)) + b''.join(
        length(due - first + 1 if due else 0) + string(n) + string(v) for n, v, due in fields)


def metadata_hash_rc(fields):
    return b'\x16' + length(len(fields)) + b''.join(length(due) + string(n) + string(v) for n, v, due in fields)


def listpack_ex_hash(fields):
    return b'\x19' + struct.pack('<Q', earliest(fields)) + listpack_ex_hash_rc(fields)[1:]


def listpack_ex_hash_rc(fields):
    return b'\x17' + string(listpack(flat((n, v, b'%d' % due) for n, v, due in fields)))


def stream_block(entries):
    """Entries are (milliseconds, pairs, is deleted); the first one's fields are the master's."""
    names = [f for f, _ in entries[0][1]]
    words, dead = [], sum(gone for _, _, gone in entries)
    for ms, pairs, gone in entries:
        same = [f for f, _ in pairs] == names
        entry = [gone | 2 * same, ms - entries[0][0], 0, *([v for _, v in pairs] if same else [len(pairs), *flat(pairs)])]
        words += [*entry, len(entry)]
    words = [len(entries) - dead, dead, len(names), *names, 0, *words]
    return struct.pack('>QQ', entries[0][0], 0), listpack([w if isinstance(w, bytes) else b'%d' % w for w in words])


def stream(blocks, groups=(), age=2):
    """Of 5.0, 7.0 or 7.2 (age 0, 1, 2). Groups are (name, [(consumer, pending milliseconds)])."""
    packed = [stream_block(entries) for entries in blocks]
    alive = [e for entries in blocks for e in entries if not e[2]]
    last = max((e[0] for entries in blocks for e in entries), default=0)
    body = length(len(packed)) + b''.join(string(key) + string(lp) for key, lp in packed)
    body += length(len(alive)) + length(last) + length(0)
    if age > 0:
        body += length(alive[0][0] if alive else 0) + length(0) * 3 + length(last + 5)
    body += length(len(groups))
    for name, consumers in groups:
        body += string(name) + length(last) + length(0) + (length(2) if age > 0 else b'')
        pending = sorted(ms for _, owned in consumers for ms in owned)
        body += length(len(pending)) + b''.join(struct.pack('>QQ', ms, 0) + struct.pack('<Q', 10 ** 12) + length(1) for ms in pending)
        body += length(len(consumers))
        for consumer, owned in consumers:
            body += string(consumer) + struct.pack('<Q', 10 ** 12) * (2 if age > 1 else 1) + length(len(owned))
            body += b''.join(struct.pack('>QQ', ms, 0) for ms in owned)
    return bytes([(15, 19, 21)[age]]) + body


def samples():
    """A small value of each kind, as (name, body)."""
    words = [b'', b'a', b'12', b'13', b'-128', b'300', b'-70000', b'9000000000', b'007', b'word' * 20, b'w' * 300]
    fields = [(w, words[-1 - i]) for i, w in enumerate(words)]
    dying = [(n, v, 2 * 10 ** 12 + i if i < 8 else 0) for i, (n, v) in enumerate(fields)]
    scored = [(w, float(i)) for i, w in enumerate(words)]
    yield 'string', b'\x00' + string(b'text')
    yield 'int', b'\x00' + dumped_int(-70000)
    yield 'compressed', b'\x00\xc3\x05\x19\x00a\xe0\x0f\x00'
    for make in (plain_list, ziplist_list, plain_set, listpack_set):
        yield make.__name__, make(words)
        yield make.__name__ + '_small', make(words[:5])
    entries = [(i, fields if i % 5 == 3 else [(b'a', words[i % 11])], i % 4 == 2) for i in range(1, 20)]
    readers = [(b'group', [(b'alice', [1, 5, 9]), (b'bob', []), (b'carol', [2])]), (b'idle', [])]
    for age in range(3):
        yield 'stream_%d' % age, stream([entries[:7], entries[7:]], readers, age)
    yield 'stream_empty', stream([])
    # Deleted entries in front of smaller ids, beyond the next block, alone.
    lines = [[(5, 0), (9, 1), (7, 0), (20, 1)], [(12, 1), (30, 1), (10, 0)], [(31, 1), (40, 1), (34, 1)]]
    yield 'stream_gone_back', stream([[(ms, [(b'a', b'b')], gone) for ms, gone in block] for block in lines], readers)
    yield 'quicklist', quicklist([words, words])
    yield 'quicklist2', quicklist2([words, b'plain', words])
    for width in (6, 20, 40):
        yield 'intset_set_%d' % width, intset_set([-2 ** width, 0, 1, 2 ** width])
    for make in (old_zset, zset2, ziplist_zset, listpack_zset):
        yield make.__name__, make(scored)
        yield make.__name__ + '_small', make(scored[:5])
    for make in (plain_hash, zipmap_hash, ziplist_hash, listpack_hash):
        yield make.__name__, make(fields)
        yield make.__name__ + '_small', make(fields[:5])
    mixed = [b'zz', b'aaa', b'12', b'bbb', b'300', b'ccc']
    for kind, texts in ((0x14, mixed), (0x10, mixed), (0x11, [b'zz', b'5', b'aaa', b'7', b'12', b'300'])):
        yield 'wide_%d' % kind, bytes([kind]) + string(listpack(texts, wide_entry))
    for make in (metadata_hash, metadata_hash_rc, listpack_ex_hash, listpack_ex_hash_rc):
        yield make.__name__, make(dying)
        yield make.__name__ + '_small', make(dying[:5])


if __name__ == '__main__':
    for name, body in samples():
        with open(os.path.join(sys.argv[1], name), 'wb') as out:
            out.write(body)
