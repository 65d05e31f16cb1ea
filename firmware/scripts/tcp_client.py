# A TCP client that shows each state of its connection as it comes.
#
#   nc -l -p 6666              (on the host; type something, end it with Ctrl-C)
#   mpremote connect PORT run tcp_client.py
#
# It greets, shows what it receives, and closes when the peer has closed or after LIMIT_S seconds. On
# firmware with the tracer (module tcptrace) every transition is shown with its cause.

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


client = socket.socket()
print("connecting to %s port %d" % (HOST, PORT))
try:
    client.connect((HOST, PORT))
    show_states()
    client.send(b"hello from the board\n")
    client.settimeout(0.1)
    end_ms = time.ticks_add(time.ticks_ms(), LIMIT_S * 1000)
    while time.ticks_diff(end_ms, time.ticks_ms()) > 0:
        try:
            data = client.recv(512)
            if not data:
                print("the peer has closed; closing too")
                break
            print("received", data)
        except OSError as error:
            if error.errno not in (11, 110, 116):  # EAGAIN, and ETIMEDOUT as different ports number it
                raise
        show_states()
except OSError as error:
    print("the connection failed: errno", error.errno)
except KeyboardInterrupt:
    print("stopped")
finally:
    client.close()
    time.sleep_ms(50)  # the last segments pass
    show_states()
