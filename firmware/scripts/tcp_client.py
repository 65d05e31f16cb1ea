# A TCP client that shows each state of its connection as it comes.
#
#   nc -l -p 6666              (on the host; type something, end it with Ctrl-C)
#   mpremote connect PORT run tcp_client.py
#
# HOST is the address of the host that runs nc: edit it for a board that is not emulated. A Wi-Fi link must
# be up already. The client greets, shows what it receives, and closes when the peer has closed or after
# LIMIT_S seconds. On firmware with the tracer (module tcptrace) every transition is shown with its
# cause. On other firmware states are inferred from calls: only those that a call's result implies, and no
# later than they were passed.

import socket
import time

HOST = "192.0.2.1"
PORT = 6666
LIMIT_S = 60

try:
    import tcptrace
except ImportError:
    tcptrace = None


def show_states():
    # Where lwipscope listens on the line (stream on), it shows them.
    if tcptrace and tcptrace.stream() == "off":
        for clock_us, conn, before, after, cause in tcptrace.states():
            print("%10.3f ms  c%d  %-11s > %-11s  %s" % (clock_us / 1000, conn, before, after, cause))


def infer(path, call):
    if not tcptrace:
        print("%10d ms  %s  (inferred from calls: %s)" % (time.ticks_ms(), path, call))


client = socket.socket()
connected = False
print("connecting to %s port %d" % (HOST, PORT))
try:
    client.connect((HOST, PORT))
    connected = True
    # In brackets: what a simultaneous open would pass through.
    infer("SYN_SENT > [SYN_RCVD >] ESTABLISHED", "connect() returned")
    show_states()
    client.send(b"hello from the board\n")
    client.settimeout(0.1)
    end_ms = time.ticks_add(time.ticks_ms(), LIMIT_S * 1000)
    while time.ticks_diff(end_ms, time.ticks_ms()) > 0:
        try:
            data = client.recv(512)
            if not data:
                infer("ESTABLISHED > CLOSE_WAIT", "recv() returned b''")
                print("the peer has closed; closing too")
                break
            print("received", data)
        except OSError as error:
            if error.errno not in (11, 110, 116):  # EAGAIN, and ETIMEDOUT as different ports number it
                raise
        show_states()
except OSError as error:
    if error.errno in (104, 111):  # ECONNRESET, ECONNREFUSED
        infer("... > CLOSED" if connected else "SYN_SENT > CLOSED", "errno %d" % error.errno)
    print("the connection failed: errno", error.errno)
except KeyboardInterrupt:
    print("stopped")
finally:
    client.close()
    if connected:
        infer("...", "close() returned, what follows no call shows")
    time.sleep_ms(50)  # the last segments pass
    show_states()
