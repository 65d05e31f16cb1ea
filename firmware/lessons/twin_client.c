/* A TCP client in C, step by step; its twin is twin_client.py, call for call.
 *
 *   cc -o twin_client twin_client.c
 *   ./twin_client [ADDRESS [PORT]]          127.0.0.1 and 8080, if not given
 *
 * It says hello, waits for the same to come back, and closes first. Each line that it prints names
 * the call and the state that the call brings about (RFC 9293 3.3.2).
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
    int port = argc > 2 ? atoi(argv[2]) : 8080;
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    there.sin_addr.s_addr = inet_addr(argc > 1 ? argv[1] : "127.0.0.1");

    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0)
        fail("socket");
    step("socket", "CLOSED");
    if (connect(client, (struct sockaddr *)&there, sizeof there) < 0)
        fail("connect");
    step("connect", "SYN_SENT, then ESTABLISHED");

    const char hello[] = "hello from C";
    size_t length = strlen(hello);
    if (send(client, hello, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("send");
    step("send", "ESTABLISHED");

    /* A stream has no ends of messages: read until all of it is there. */
    char data[64];
    size_t got = 0;
    while (got < length) {
        ssize_t part = recv(client, data + got, sizeof data - got, 0);
        if (part < 0)
            fail("recv");
        if (part == 0) {
            printf("recv       the other end closed after %zu of %zu bytes\n", got, length);
            return 1;
        }
        got += (size_t)part;
    }
    step("recv", "ESTABLISHED");
    if (memcmp(data, hello, length) != 0) {
        printf("recv       other bytes came back than were sent\n");
        return 1;
    }
    close(client);
    step("close", "FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT: the kernel goes through them alone");
    return 0;
}
