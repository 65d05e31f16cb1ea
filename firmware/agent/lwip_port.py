# The command port in MicroPython, for firmware without the tracer: what the agent needs of the module
# tcptrace, on stdin and stdout. Uploaded by the host in front of lwip_agent.py; nothing is stored.
# Knows no states: a host hears `tracer=0` in hello. Lines: firmware/README.md, "The serial line".
import binascii
import select
import sys
import time


class CommandPort:
    def __init__(self, boot, seq, about):
        self.boot = boot
        self.seq = seq
        self.about = about
        self.line = b""
        self.stdin = getattr(sys.stdin, "buffer", sys.stdin)
        self.stdout = getattr(sys.stdout, "buffer", sys.stdout)
        self.poll = select.poll()
        self.poll.register(sys.stdin, select.POLLIN)
        self.last_us = time.ticks_us()
        self.clock_us = 0

    def send(self, text):
        # ticks_us() goes round; it is asked often enough, since a host sends something now and then.
        now = time.ticks_us()
        self.clock_us += time.ticks_diff(now, self.last_us)
        self.last_us = now
        body = b"%d %d %s" % (self.seq, self.clock_us, text.encode())
        self.seq += 1
        self.stdout.write(b"\x1e%s *%08x\n" % (body, binascii.crc32(body) & 0xFFFFFFFF))

    def serve(self, on):
        pass

    def reply(self, number, text):
        self.send("reply re=%d %s" % (number, text))

    def command(self):
        # The next command that is the agent's; those of the port itself are answered here.
        while self.poll.poll(0):
            byte = self.stdin.read(1)
            if isinstance(byte, str):
                byte = byte.encode()
            if byte == b"\x1e":
                self.line = byte
            elif byte in b"\r\n":
                line, self.line = self.line, b""
                command = self.parse(line)
                if command is not None:
                    return command
            elif len(self.line) < 130:
                self.line += byte

    def parse(self, line):
        body, star, crc = line[1:].partition(b" *")
        if line[:1] != b"\x1e" or crc != b"%08x" % (binascii.crc32(body) & 0xFFFFFFFF):
            return None
        number, _, text = body.decode().partition(" ")
        number = int(number)
        verb = text.split(" ")[0]
        if verb == "hello":
            self.send("hello re=%d proto=1 boot=%s tracer=0 %s" % (number, self.boot, self.about))
        elif verb in ("ping", "sync"):
            self.reply(number, "ok")
        elif verb in ("snapshot", "advance", "clock", "stream"):
            self.reply(number, "err no-tracer")
        else:
            return number, text
