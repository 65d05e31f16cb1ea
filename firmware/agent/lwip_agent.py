# The agent: socket verbs for a host that drives the board step by step.
#
# One command at a time, answered after the events that it brought. Sockets are non-blocking: the host
# waits for the trace, not for the agent. Errors come as errno names, since numbers differ between
# ports. Verbs (H is a small number that names a socket):
#   socket H              ok
#   bind H PORT           ok
#   listen H BACKLOG      ok
#   reuse H               ok              SO_REUSEADDR
#   accept H NEW          ok IP PORT      the accepted socket gets the name NEW
#   connect H IP PORT     ok              connected or under way
#   send H LENGTH SEED    ok SENT         a pattern that the host can make too (see pattern)
#   sendhex H HEX         ok SENT
#   recv H MOST           ok HEX          empty: the peer has closed
#   close H               ok
#   gc                    ok FREE         collects garbage: forgotten sockets are closed
#   quit                  ok              ends the agent

import binascii
import errno
import gc
import machine
import socket


def pattern(seed, length):
    # A byte string that tells where it is cut or repeated: x(n+1) = 5 x(n) + 1 mod 256.
    out = bytearray(length)
    x = seed & 255
    for i in range(length):
        out[i] = x
        x = (5 * x + 1) & 255
    return out


def errno_name(number):
    return errno.errorcode.get(number, str(number))


class Agent:
    def __init__(self):
        self.sockets = {}
        self.running = True

    def obey(self, words):
        verb = "do_" + words[0]
        if not hasattr(self, verb):
            return "err unknown-verb"
        try:
            answer = getattr(self, verb)(*words[1:])
        except OSError as error:
            return "err " + errno_name(error.errno)
        except KeyError:
            return "err no-such-socket"
        except (TypeError, ValueError):
            return "err arguments"
        return "ok" if answer is None else "ok " + answer

    def do_socket(self, name):
        s = socket.socket()
        s.setblocking(False)
        self.sockets[name] = s

    def do_bind(self, name, port):
        self.sockets[name].bind(("0.0.0.0", int(port)))

    def do_listen(self, name, backlog):
        self.sockets[name].listen(int(backlog))

    def do_reuse(self, name):
        self.sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def do_accept(self, name, new):
        s, address = self.sockets[name].accept()
        s.setblocking(False)
        self.sockets[new] = s
        return "%s %d" % address

    def do_connect(self, name, ip, port):
        try:
            self.sockets[name].connect((ip, int(port)))
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise

    def do_send(self, name, length, seed):
        return str(self.sockets[name].send(pattern(int(seed), int(length))))

    def do_sendhex(self, name, digits):
        return str(self.sockets[name].send(binascii.unhexlify(digits)))

    def do_recv(self, name, most):
        # An answer is one line: what is not taken now stays for the next recv.
        data = self.sockets[name].recv(min(int(most), 48))
        return binascii.hexlify(data).decode()

    def do_close(self, name):
        self.sockets.pop(name).close()

    def do_gc(self):
        gc.collect()
        return str(gc.mem_free())

    def do_quit(self):
        self.running = False


def run():
    import tcptrace

    agent = Agent()
    tcptrace.serve(True)
    print("lwip_agent: ready")
    try:
        while agent.running:
            command = tcptrace.command()
            if command is None:
                # Not a sleep: in manual clock mode no time passes.
                machine.idle()
                continue
            number, text = command
            tcptrace.reply(number, agent.obey(text.split()))
    finally:
        tcptrace.serve(False)
        for s in agent.sockets.values():
            s.close()
