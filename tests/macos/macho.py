"""Reads what tests/macos/run asks of a thin 64-bit Mach-O file: llvm-objdump 14 shows neither which image a tuple's
first half points into nor the constructors.

usage: macho.py FILE COMMAND, and one line of output per fact:
  interpose   REPLACEE LIBRARY strong|weak, for each pair, in order; a pair that dyld passes over is a line "bad ..."
  exports     the names that others see
  undefined   NAME LIBRARY
  init        the names behind __mod_init_func and __init_offsets
  libraries   what is loaded with it
  sections    SEGMENT,SECTION
  id          install name, compatibility and current version
  platform    the system's number (1: macOS) and its least version
  uuid        what a report names the file by
Sources: <mach-o/loader.h>, <mach-o/nlist.h>, and dyld's account of the rebase and bind opcodes in <mach-o/loader.h>.
"""
import struct
import sys

LC_SEGMENT_64, LC_SYMTAB, LC_ID_DYLIB, LC_UUID, LC_BUILD_VERSION = 0x19, 0x2, 0xD, 0x1B, 0x32
LC_DYLD_INFO = (0x22, 0x80000022)
LC_LOADS = (0xC, 0x80000018, 0x8000001F, 0x20, 0x80000023)  # load, weak, re-export, lazy, upward
POINTER = 8


class File:
    def __init__(self, path):
        self.data = open(path, "rb").read()
        magic, _, _, self.kind, count, _, _, _ = struct.unpack_from("<8I", self.data)
        assert magic == 0xFEEDFACF, "no 64-bit Mach-O file"
        self.segments, self.sections, self.libraries, self.symbols = [], [], [], []
        self.rebases, self.binds, self.id, self.platform, self.uuid = set(), {}, "", "", ""
        at = 32
        for _ in range(count):
            command, size = struct.unpack_from("<2I", self.data, at)
            if command == LC_SEGMENT_64:
                self.read_segment(at)
            elif command == LC_SYMTAB:
                self.read_symbols(*struct.unpack_from("<4I", self.data, at + 8))
            elif command in LC_LOADS or command == LC_ID_DYLIB:
                name, _, current, compatible = struct.unpack_from("<4I", self.data, at + 8)
                text = self.text(at + name)
                if command == LC_ID_DYLIB:
                    self.id = f"{text} {version(compatible)} {version(current)}"
                else:
                    self.libraries.append(text)
            elif command == LC_UUID:
                self.uuid = self.data[at + 8:at + 24].hex()
            elif command in LC_DYLD_INFO:
                info = struct.unpack_from("<8I", self.data, at + 8)
            elif command == LC_BUILD_VERSION:
                self.platform = "%d %s" % (struct.unpack_from("<I", self.data, at + 8)[0],
                                           version(struct.unpack_from("<I", self.data, at + 12)[0]))
            at += size
        self.read_rebases(info[0], info[0] + info[1])
        self.read_binds(info[2], info[2] + info[3])

    def text(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def read_segment(self, at):
        name, address, size, offset, _, _, _, count, _ = struct.unpack_from("<16s4Q4I", self.data, at + 8)
        self.segments.append((name.rstrip(b"\0").decode(), address, size, offset))
        for i in range(count):
            name, segment, address, size, offset, _, _, _, flags = struct.unpack_from("<16s16s2Q5I", self.data,
                                                                                      at + 72 + 80 * i)
            self.sections.append((segment.rstrip(b"\0").decode(), name.rstrip(b"\0").decode(), address, size, offset,
                                  flags & 255))

    def read_symbols(self, table, count, strings, _):
        for i in range(count):
            name, kind, section, description, value = struct.unpack_from("<IBBHQ", self.data, table + 16 * i)
            self.symbols.append((self.text(strings + name), kind, section, description, value))

    def leb(self, at, signed=False):
        value = shift = 0
        while True:
            byte = self.data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if signed and byte & 64:
            value -= 1 << shift
        return value, at

    def read_rebases(self, at, end):
        address = 0
        while at < end:
            opcode, low = self.data[at] & 0xF0, self.data[at] & 15
            at += 1
            count = skip = 0
            if opcode == 0x20:  # segment and offset
                offset, at = self.leb(at)
                address = self.segments[low][1] + offset
            elif opcode == 0x30:
                add, at = self.leb(at)
                address += add
            elif opcode == 0x40:
                address += low * POINTER
            elif opcode == 0x50:
                count = low
            elif opcode == 0x60:
                count, at = self.leb(at)
            elif opcode == 0x70:
                count, (skip, at) = 1, self.leb(at)
            elif opcode == 0x80:
                count, at = self.leb(at)
                skip, at = self.leb(at)
            for _ in range(count):
                self.rebases.add(address)
                address += POINTER + skip

    def read_binds(self, at, end):
        address = ordinal = flags = 0
        symbol = ""
        while at < end:
            opcode, low = self.data[at] & 0xF0, self.data[at] & 15
            at += 1
            count, skip = 0, 0
            if opcode == 0x10:
                ordinal = low
            elif opcode == 0x20:
                ordinal, at = self.leb(at)
            elif opcode == 0x30:
                ordinal = low - 16 if low else 0
            elif opcode == 0x40:
                symbol, flags = self.text(at), low
                at += len(symbol) + 1
            elif opcode == 0x60:
                _, at = self.leb(at, signed=True)
            elif opcode == 0x70:
                offset, at = self.leb(at)
                address = self.segments[low][1] + offset
            elif opcode == 0x80:
                add, at = self.leb(at)
                address = (address + add) & (1 << 64) - 1
            elif opcode == 0x90:
                count = 1
            elif opcode == 0xA0:
                count, (skip, at) = 1, self.leb(at)
            elif opcode == 0xB0:
                count, skip = 1, low * POINTER
            elif opcode == 0xC0:
                count, at = self.leb(at)
                skip, at = self.leb(at)
            for _ in range(count):
                self.binds[address] = (symbol, self.library(ordinal), "weak" if flags & 1 else "strong")
                address = (address + POINTER + skip) & (1 << 64) - 1

    def library(self, ordinal):
        names = {0: "self", -1: "main-executable", -2: "any", -3: "weak-lookup"}
        return names[ordinal] if ordinal in names else self.libraries[ordinal - 1].rsplit("/")[-1]

    def pointer(self, address):
        for _, begin, size, offset in self.segments:
            if begin <= address < begin + size:
                return struct.unpack_from("<Q", self.data, offset + address - begin)[0]
        return 0

    def functions(self):
        return {value: name for name, kind, section, _, value in self.symbols if kind & 0xE == 0xE}

    def interpose(self):
        text = [s for s in self.sections if s[1] == "__text"][0]
        for segment, name, address, size, _, _ in self.sections:
            if name != "__interpose":
                continue
            if not segment.startswith("__DATA") or size % (2 * POINTER):
                yield f"bad section {segment},{name} of {size} bytes"
            for at in range(address, address + size, 2 * POINTER):
                replacee = self.binds.get(at + POINTER)
                inside = text[2] <= self.pointer(at) < text[2] + text[3]
                if at not in self.rebases or not inside:
                    yield f"bad pair at {at - address}: the replacement is not our code"
                elif replacee is None:
                    yield f"bad pair at {at - address}: the replacee is not somebody else's"
                else:
                    yield " ".join(replacee)

    def init(self):
        names = self.functions()
        for _, name, address, size, _, kind in self.sections:
            if kind == 9 or name == "__mod_init_func":
                for at in range(address, address + size, POINTER):
                    yield names.get(self.pointer(at), "unnamed")
            elif kind == 0x16 or name == "__init_offsets":
                for at in range(address, address + size, 4):
                    yield "an init offset"

    def undefined(self):
        for name, kind, _, description, _ in self.symbols:
            if kind & 0xE == 0 and kind & 1:
                ordinal = description >> 8
                yield f"{name} {'any' if ordinal == 254 else self.library(ordinal)}"

    def exports(self):
        return sorted(n for n, kind, _, _, _ in self.symbols if kind & 0xE and kind & 1 and not kind & 0x10)


def version(n):
    return f"{n >> 16}.{n >> 8 & 255}.{n & 255}"


def main():
    file, command = File(sys.argv[1]), sys.argv[2]
    answers = {"interpose": file.interpose, "exports": file.exports, "undefined": file.undefined, "init": file.init,
               "libraries": lambda: file.libraries, "sections": lambda: [f"{s[0]},{s[1]}" for s in file.sections],
               "id": lambda: [file.id], "platform": lambda: [file.platform],
               "uuid": lambda: [file.uuid]}
    print("\n".join(answers[command]()))


main()
