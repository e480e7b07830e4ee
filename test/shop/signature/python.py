"""Random JSON texts and what this Python makes of them, as JSON lines.

python.py canonical SEED COUNT: [text, compact, spaced, compact UTF-8, spaced UTF-8] of texts that are JSON.
python.py damaged SEED COUNT:   [text, error or null] of texts that mostly are not.
python.py utf8 SEED COUNT:      [bytes in hex, error or null] of bytes that mostly are not UTF-8.
python.py vectors DIRECTORY:    writes the kept vectors: 20,000, 5,000 and 3,000 of them with a fixed seed. For each
                                readable text the start of a SHA-256 over its four forms stands for the forms.
"""

import gzip
import hashlib
import json
import random
import struct
import sys

KEYS = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '10', '9', '01', '-1', '', 'a', 'A', 'é', '😀', 'ﬀ']
LETTERS = 'aZ09 _-/\\"\b\f\n\r\t\x00\x01\x1f\x7f\x80\xa0éßİ٣\u2028\u2029\ud7ff\ue000ﬀ\uffff\ufeff😀𐀀\U0010ffff字'
SURROGATES = '\ud800\udbff\udc00\udfff'
NUMBERS = (
    '-0 0 -0.0 0.0 -0e5 0E-3 1e400 -1e400 1e-400 -1e-400 1.0 1.00 1E5 1e+5 1e-5 1e15 1e16 1e17 1e21 1e22 1e23 5e-324 '
    '2.4703282292062327e-324 2.4703282292062328e-324 1.7976931348623157e308 1.7976931348623159e308 0.0001 0.00001 '
    '123456789012345678.0 9007199254740992 9007199254740993 9007199254740993.0 9999999999999998.0 99999999999999990.0'
).split()
SHORT = {'"': '\\"', '\\': '\\\\', '/': '\\/', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t'}
PIECES = list('{}[]":,\\ 0123456789.eE+-ntfNI\n\t/u字😀\x01\'a') + (
    'NaN Infinity -Infinity \\u12 \\ud83d \\uDE00 \\x nul tru - .5 1. 01 \\'.split() + ['1' * 4300, '2' * 4301, '[' * 50]
)
FIXED_DAMAGE = [
    '', '  ', '\ufeff{}', '\ufeff', '{"a":1,}', '[1,]', '[1 2]', '{"a" 1}', '{a:1}', "{'a':1}", '{} {}', '"\\', '"\\u',
    '"\\u123', '"\\u1234', '"\\ud83d\\u12', '"\\ud83d\\u12"', '"\n"', '\n\n  x', '"😀" x', '["😀\n", x', '-', '-a', '1.',
    '1e', '01', '+1', 'nan', 'NaN', '[NaN', '-Infinity', '-Infinit', '\x00', '\xa01', '[' + '1' * 4301 + ']',
    '[' + '1' * 4300 + ']', '-' + '2' * 4301, '-' + '2' * 4300, '1' * 5000 + '.0', '1' * 5000 + 'e1', '{"a":1' + '0' * 4300,
]


def characters(r):
    letters = LETTERS + (SURROGATES if r.random() < 0.15 else '')
    return ''.join(r.choice(letters) for _ in range(r.choice([0, 1, 1, 2, 3, 8, 20])))


def string(r, content):
    out = []
    for char in content:
        code = ord(char)
        must = code < 0x20 or char in '"\\' or 0xD800 <= code < 0xE000
        if char in SHORT and (must or r.random() < 0.2) and r.random() < 0.5:
            out.append(SHORT[char])
        elif must or r.random() < 0.1:
            units = struct.unpack('<%dH' % (2 if code > 0xFFFF else 1), char.encode('utf-16-le', 'surrogatepass'))
            out += [r.choice(['\\u%04x', '\\u%04X']) % unit for unit in units]
        else:
            out.append(char)
    return '"' + ''.join(out) + '"'


def number(r):
    kind = r.random()
    if kind < 0.2:
        return str(r.randint(-(10 ** r.randint(0, 40)), 10 ** r.randint(0, 40)))
    if kind < 0.3:
        return r.choice(NUMBERS)
    if kind < 0.55:
        value = struct.unpack('<d', struct.pack('<Q', r.getrandbits(64)))[0]
        return repr(value) if value - value == 0 else '1.5'
    if kind < 0.75:
        return repr(r.uniform(-1, 1) * 10 ** r.randint(-10, 25))
    text = r.choice(['', '', '-']) + str(r.randint(0, 9 ** r.randint(1, 12)))
    if r.random() < 0.7:
        text += '.' + ''.join(r.choice('0123456789') for _ in range(r.choice([1, 3, 17, 25, 25, 60])))
    if r.random() < 0.5:
        text += r.choice(['e', 'E', 'e+', 'e-', 'E+', 'E-']) + str(r.randint(0, 330))
    return text


def space(r):
    return r.choice(['', '', '', ' ', '\n', '\t', '\r\n'])


def document(r, depth):
    kind = r.random()
    if depth > 0 and kind < 0.35:
        keys = [r.choice(KEYS + [characters(r)] * 7) for _ in range(r.randint(0, 5))]
        if keys and r.random() < 0.25:
            keys.append(r.choice(keys))
        return '{' + space(r) + ','.join(
            space(r) + string(r, key) + space(r) + ':' + space(r) + document(r, depth - 1) + space(r) for key in keys
        ) + '}'
    if depth > 0 and kind < 0.5:
        items = [space(r) + document(r, depth - 1) + space(r) for _ in range(r.randint(0, 4))]
        return '[' + space(r) + ','.join(items) + ']'
    if kind < 0.72:
        return number(r)
    return string(r, characters(r)) if kind < 0.92 else r.choice(['null', 'true', 'false'])


def canonical(seed, count):
    r = random.Random(seed)
    for _ in range(count):
        text = space(r) + document(r, r.choice([0, 1, 2, 3])) + space(r)
        tree = json.loads(text)
        yield [text] + [
            json.dumps(tree, sort_keys=True, ensure_ascii=ascii, separators=separators)
            for ascii in (True, False)
            for separators in ((',', ':'), None)
        ]


def refuse(constant):
    raise ValueError('Out of range float values are not JSON compliant: ' + repr(constant))


def error(text):
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as found:
        return str(found)


def damaged(seed, count):
    r = random.Random(seed)
    for text in FIXED_DAMAGE:
        yield [text, error(text)]
    for _ in range(count - len(FIXED_DAMAGE)):
        text = document(r, 3)[:300]
        for _ in range(r.randint(1, 3)):
            at = r.randint(0, len(text))
            cut = r.random()
            if cut < 0.4:
                text = text[:at] + text[at + 1:]
            elif cut < 0.5:
                text = text[:at]
            else:
                text = text[:at] + r.choice(PIECES[:-3] if r.random() < 0.98 else PIECES) + text[at:]
        yield [text, error(text)]


def utf8(seed, count):
    r = random.Random(seed)
    for _ in range(count):
        data = bytearray(characters(r).encode('utf-8', 'surrogatepass'))
        for _ in range(r.randint(1, 3)):
            at = r.randint(0, len(data))
            byte = r.choice([0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF, r.randrange(256)])
            data[at:at + r.randint(0, 1)] = bytes(r.choice([0, 1, 1]) * [byte])
        try:
            data.decode()
            found = None
        except UnicodeDecodeError as failure:
            found = str(failure)
        yield [data.hex(), found]


def digest(forms):
    return hashlib.sha256('\n'.join(forms).encode('utf-16-le', 'surrogatepass')).hexdigest()[:12]


def write(path, rows):
    with gzip.GzipFile(path, 'wb', mtime=0) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True).encode() + b'\n')


if __name__ == '__main__':
    command, rest = sys.argv[1], sys.argv[2:]
    if command == 'vectors':
        write(rest[0] + '/canonical.jsonl.gz', ([row[0], digest(row[1:])] for row in canonical(20260101, 20000)))
        write(rest[0] + '/damaged.jsonl.gz', damaged(20260102, 5000))
        write(rest[0] + '/utf8.jsonl.gz', utf8(20260103, 3000))
    else:
        print(json.dumps(list(sys.version_info[:2])))
        for row in {'canonical': canonical, 'damaged': damaged, 'utf8': utf8}[command](int(rest[0]), int(rest[1])):
            print(json.dumps(row))
