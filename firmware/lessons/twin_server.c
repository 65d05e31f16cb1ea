/* A TCP server in C, step by step; its twin is twin_server.py, call for call.
 *
 *   cc -o twin_server twin_server.c
 *   ./twin_server [PORT [ADDRESS]]          8080 and every address, if not given
 *
 * It serves one client: sends back what comes until the client ends its side, then closes. Each
 * line that it prints names the call and the state that the call brings about (RFC 9293 3.3.2).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void step(const char *call, const char *state) {
    printf("%-10s %s\n", call, state);
    fflush(stdout);
}

static void fail(const char *call) {
    printf("%-10s failed: %s\n", call, strerror(errno));
    exit(1);
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 8080;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    here.sin_addr.s_addr = argc > 2 ? inet_addr(argv[2]) : htonl(INADDR_ANY);

    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0)
        fail("socket");
    step("socket", "CLOSED");

    /* Two calls for two options: the option's name is a number, so names can't be joined by `|`. */
    int yes = 1;
    if (setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0)
        fail("setsockopt");
    if (bind(server, (struct sockaddr *)&here, sizeof here) < 0)
        fail("bind");
    step("bind", "CLOSED");
    if (listen(server, 2) < 0)
        fail("listen");
    step("listen", "LISTEN");

    struct sockaddr_in there;
    socklen_t size = sizeof there;
    int client = accept(server, (struct sockaddr *)&there, &size);
    if (client < 0)
        fail("accept");
    step("accept", "ESTABLISHED, on a socket of its own");

    char data[512];
    for (;;) {
        ssize_t length = recv(client, data, sizeof data, 0);
        if (length < 0)
            fail("recv");
        if (length == 0)
            break; /* 0 bytes: the other end has sent its FIN, and all before it was read */
        step("recv", "ESTABLISHED");
        /* send() may take less than it is given. */
        for (ssize_t sent = 0; sent < length;) {
            ssize_t taken = send(client, data + sent, (size_t)(length - sent), MSG_NOSIGNAL);
            if (taken < 0)
                fail("send");
            sent += taken;
        }
        step("send", "ESTABLISHED");
    }
    step("recv: 0", "CLOSE_WAIT");
    close(client);
    step("close", "LAST_ACK, then CLOSED");
    close(server);
    step("close", "LISTEN to CLOSED: the server's own socket");
    return 0;
}
