// What lwIP and the socket layer call. Each hook writes one record and returns.
//
// State stores are reported by the generated copies of tcp.c and tcp_in.c. Births and deaths, segments
// and calls are seen at the functions that other object files call (ld --wrap). The wrappers also keep
// the context: what is going on when a state changes is why it changes. lwIP never runs in two contexts at
// once, so plain statics do (port.h).
//
// Source: lwIP 2.2.1 src/core/tcp.c, tcp_in.c, tcp_out.c, memp.c; MicroPython extmod/modlwip.c.

#include <string.h>

#include "tcptrace.h"
#include "pcbs.h"
#include "ring.h"
#include "port.h"
#include "lwip/ip.h"
#include "lwip/memp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

// --- context ---

typedef struct {
    uint8_t cause;
    uint16_t rx_flags;
    const char *name;
    bool aborted;
} context_t;

static context_t context;
static bool pool_empty;          // tcp_alloc() is looking for a victim
static record_t *rx_record;      // the segment being processed, to learn its pcb
static uint32_t listener_of_rx;  // id of the listening pcb that it found
static uint32_t listening_ip;    // address that the pcb consumed by listen() is bound to
static uint32_t tx_conn;         // whose RST is being sent

static context_t enter(uint8_t cause, const char *name) {
    context_t before = context;
    context = (context_t) {.cause = cause, .name = name};
    return before;
}

static context_t enter_call(const char *name) {
    return enter(TCPTRACE_COLLECTING() ? CAUSE_GC : CAUSE_API, name);
}

static void leave(context_t before) {
    context = before;
    if (before.cause == CAUSE_NONE) {
        pool_empty = false;
    }
}

// lwIP's slow timer does not say which of its timers ended a pcb: its fields do (tcp_slowtmr, tcp.c).
static const char *timer_name(const struct tcp_pcb *pcb, uint8_t state) {
    if (context.aborted) {
        return "close-abort"; // only a poll callback aborts from inside the timer, and modlwip has one
    }
    if (state == TIME_WAIT) {
        return "2MSL";
    }
    if (state == SYN_SENT && pcb->nrtx >= TCP_SYNMAXRTX) {
        return "SYN-retries";
    }
    if (pcb->persist_probe >= TCP_MAXRTX) {
        return "persist";
    }
    if (pcb->nrtx >= TCP_MAXRTX) {
        return "retransmit";
    }
    switch (state) {
        case SYN_RCVD:
            return "SYN_RCVD";
        case FIN_WAIT_2:
            return "FIN_WAIT_2";
        case LAST_ACK:
            return "LAST_ACK";
        default:
            return ip_get_option(pcb, SOF_KEEPALIVE) ? "keepalive" : "closepend";
    }
}

static void put_cause(record_t *record, const pcb_entry_t *entry, uint8_t state) {
    if (pool_empty) {
        record->cause = CAUSE_KILL;
        record->detail = "pool-empty";
        return;
    }
    record->cause = context.cause;
    record->detail = context.name;
    record->length = context.rx_flags;
    record->aborted = context.aborted;
    if (context.cause == CAUSE_TIMER) {
        record->detail = entry->listener ? "poll" : timer_name(entry->pcb, state);
    }
}

// --- states, births and deaths ---

void tcptrace_state(const void *pcb, uint8_t to, const char *file, uint16_t line) {
    pcb_entry_t *entry = pcbs_find(pcb);
    if (entry == NULL) {
        return;
    }
    uint8_t from = entry->state;
    entry->state = to;
    record_t *record = ring_new(RECORD_STATE, entry->conn);
    if (from != to) {
        entry->since_us = record != NULL ? record->clock_us : tcptrace_port_clock_us();
    }
    if (record == NULL) {
        return;
    }
    record->from = from;
    record->to = to;
    record->name = file;
    record->window = line;
    put_cause(record, entry, from);
    if (to == LISTEN) {
        record->addresses = true;
        record->local_ip = listening_ip;
        record->local_port = ((const struct tcp_pcb_listen *)pcb)->local_port;
    } else if (to == SYN_SENT || to == SYN_RCVD) {
        const struct tcp_pcb *p = pcb;
        record->addresses = true;
        record->local_ip = pcbs_ip4(&p->local_ip);
        record->remote_ip = pcbs_ip4(&p->remote_ip);
        record->local_port = p->local_port;
        record->remote_port = p->remote_port;
        record->ack = to == SYN_RCVD ? listener_of_rx : 0;
    }
}

static bool is_pcb_pool(memp_t type) {
    return type == MEMP_TCP_PCB || type == MEMP_TCP_PCB_LISTEN;
}

#if TCPTRACE_OVERLAY // see tcptrace_overlay.h
#define __wrap_memp_malloc tcptrace_memp_malloc
#define __real_memp_malloc memp_malloc
#define __wrap_memp_free tcptrace_memp_free
#define __real_memp_free memp_free
#else
void *__real_memp_malloc(memp_t type);
void __real_memp_free(memp_t type, void *memory);
#endif

void *__wrap_memp_malloc(memp_t type) {
    void *memory = __real_memp_malloc(type);
    if (type == MEMP_TCP_PCB) {
        pool_empty = memory == NULL;
    }
    if (memory != NULL && is_pcb_pool(type)) {
        bool listener = type == MEMP_TCP_PCB_LISTEN;
        pcb_entry_t *entry = pcbs_add(memory, listener);
        record_t *record = ring_new(RECORD_BORN, entry != NULL ? entry->conn : 0);
        if (record != NULL) {
            record->from = listener;
            record->number = pcbs_in_use(listener);
        }
    }
    return memory;
}

void __wrap_memp_free(memp_t type, void *memory) {
    pcb_entry_t *entry = is_pcb_pool(type) ? pcbs_find(memory) : NULL;
    if (entry != NULL) {
        uint8_t state = entry->state;
        record_t *record = ring_new(RECORD_DIED, entry->conn);
        if (record != NULL) {
            record->from = state;
            put_cause(record, entry, state);
        }
        pcbs_remove(entry);
        if (record != NULL) {
            record->number = pcbs_in_use(type == MEMP_TCP_PCB_LISTEN);
        }
    }
    __real_memp_free(type, memory);
}

// --- segments ---

static uint16_t mss_option(const struct tcp_hdr *header, const uint8_t *end) {
    const uint8_t *option = (const uint8_t *)header + TCP_HLEN;
    while (option < end && *option != 0) {
        if (*option == 1) {
            option++;
        } else if (option + 1 >= end || option[1] < 2) {
            break;
        } else if (option[0] == 2 && option[1] == 4 && option + 4 <= end) {
            return (uint16_t)((option[2] << 8) | option[3]);
        } else {
            option += option[1];
        }
    }
    return 0;
}

static record_t *put_segment(uint8_t kind, uint32_t conn, const struct pbuf *p, uint32_t src, uint32_t dst) {
    if (p->len < TCP_HLEN) {
        return NULL;
    }
    record_t *record = ring_new(kind, conn);
    if (record == NULL) {
        return NULL;
    }
    const struct tcp_hdr *header = p->payload;
    uint16_t header_length = (uint16_t)(TCPH_HDRLEN(header) * 4);
    uint16_t ports[2] = {lwip_ntohs(header->src), lwip_ntohs(header->dest)};
    int mine = kind == RECORD_RX;
    record->to = TCPH_FLAGS(header) & 0xff;
    record->number = lwip_ntohl(header->seqno);
    record->ack = (record->to & TCP_ACK) ? lwip_ntohl(header->ackno) : 0;
    record->window = lwip_ntohs(header->wnd);
    record->length = p->tot_len > header_length ? (uint16_t)(p->tot_len - header_length) : 0;
    record->addresses = true;
    record->local_ip = mine ? dst : src;
    record->remote_ip = mine ? src : dst;
    record->local_port = ports[mine];
    record->remote_port = ports[!mine];
    if ((record->to & TCP_SYN) && p->len >= header_length) {
        record->mss = mss_option(header, (const uint8_t *)header + header_length);
    }
    return record;
}

void __real_tcp_input(struct pbuf *p, struct netif *inp);
void __wrap_tcp_input(struct pbuf *p, struct netif *inp) {
    context_t before = enter(CAUSE_RX, NULL);
    rx_record = put_segment(RECORD_RX, 0, p, pcbs_ip4(ip_current_src_addr()),
        pcbs_ip4(ip_current_dest_addr()));
    if (p->len >= TCP_HLEN) {
        context.rx_flags = TCPH_FLAGS((const struct tcp_hdr *)p->payload) & 0xff;
    }
    listener_of_rx = 0;
    __real_tcp_input(p, inp);
    rx_record = NULL;
    leave(before);
}

void tcptrace_in_pcb(const void *pcb) {
    const pcb_entry_t *entry = pcbs_find(pcb);
    if (entry != NULL) {
        if (entry->listener) {
            listener_of_rx = entry->conn;
        }
        if (rx_record != NULL) {
            rx_record->conn = entry->conn;
        }
    }
}

err_t __real_ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl, u8_t tos,
    u8_t proto, struct netif *netif);
err_t __wrap_ip4_output_if(struct pbuf *p, const ip4_addr_t *src, const ip4_addr_t *dest, u8_t ttl, u8_t tos,
    u8_t proto, struct netif *netif) {
    if (proto == IP_PROTO_TCP && dest != LWIP_IP_HDRINCL && p->len >= TCP_HLEN) {
        const struct tcp_hdr *header = p->payload;
        uint32_t conn = tx_conn;
        if (conn == 0) {
            const pcb_entry_t *entry = pcbs_find_tuple(lwip_ntohs(header->src), lwip_ntohs(header->dest),
                ip4_addr_get_u32(dest));
            conn = entry != NULL ? entry->conn : 0;
        }
        uint32_t from = src != NULL && !ip4_addr_isany(src) ? ip4_addr_get_u32(src)
            : ip4_addr_get_u32(netif_ip4_addr(netif));
        put_segment(RECORD_TX, conn, p, from, ip4_addr_get_u32(dest));
    }
    return __real_ip4_output_if(p, src, dest, ttl, tos, proto, netif);
}

// An aborted pcb has lost its port by the time its RST leaves: remember whose it is.
void __real_tcp_rst(const struct tcp_pcb *pcb, u32_t seqno, u32_t ackno, const ip_addr_t *local_ip,
    const ip_addr_t *remote_ip, u16_t local_port, u16_t remote_port);
void __wrap_tcp_rst(const struct tcp_pcb *pcb, u32_t seqno, u32_t ackno, const ip_addr_t *local_ip,
    const ip_addr_t *remote_ip, u16_t local_port, u16_t remote_port) {
    tx_conn = tcptrace_conn_of(pcb);
    __real_tcp_rst(pcb, seqno, ackno, local_ip, remote_ip, local_port, remote_port);
    tx_conn = 0;
}

// --- timers, aborts, addresses ---

void __real_tcp_tmr(void);
void __wrap_tcp_tmr(void) {
    context_t before = enter(CAUSE_TIMER, NULL);
    __real_tcp_tmr();
    leave(before);
}

void __real_tcp_abort(struct tcp_pcb *pcb);
void __wrap_tcp_abort(struct tcp_pcb *pcb) {
    if (context.cause == CAUSE_RX || context.cause == CAUSE_TIMER) {
        context.aborted = true;
        __real_tcp_abort(pcb);
        context.aborted = false;
        return;
    }
    context_t before = enter_call("abort");
    tcptrace_call(tcptrace_conn_of(pcb), "abort");
    __real_tcp_abort(pcb);
    leave(before);
}

void __real_tcp_netif_ip_addr_changed(const ip_addr_t *old_addr, const ip_addr_t *new_addr);
void __wrap_tcp_netif_ip_addr_changed(const ip_addr_t *old_addr, const ip_addr_t *new_addr) {
    context_t before = enter(CAUSE_NETIF, "address");
    __real_tcp_netif_ip_addr_changed(old_addr, new_addr);
    leave(before);
}

// --- calls of the application, as they arrive at lwIP's raw API ---

uint32_t tcptrace_conn_of(const void *pcb) {
    const pcb_entry_t *entry = pcbs_find(pcb);
    return entry != NULL ? entry->conn : 0;
}

static record_t *put_call(uint32_t conn, const char *name, uint32_t number) {
    record_t *record = ring_new(RECORD_CALL, conn);
    if (record != NULL) {
        record->name = name;
        record->number = number;
    }
    return record;
}

void tcptrace_call(uint32_t conn, const char *name) {
    put_call(conn, name, UINT32_MAX);
}

void tcptrace_result(uint32_t conn, const char *name, const char *result, uint32_t number) {
    record_t *record = ring_new(RECORD_RET, conn);
    if (record != NULL) {
        record->name = name;
        record->detail = result;
        record->number = number;
    }
}

// A program that polls accept() would flood the stream: only the first of a row of retries is told.
void tcptrace_accepting(uint32_t conn) {
    pcb_entry_t *entry = pcbs_find_conn(conn);
    if (entry != NULL && !entry->waiting) {
        tcptrace_call(conn, "accept");
    }
}

void tcptrace_would_block(uint32_t conn) {
    pcb_entry_t *entry = pcbs_find_conn(conn);
    if (entry != NULL) {
        entry->waiting = true;
    }
}

#if NO_SYS // modlwip
struct tcp_pcb *__real_tcp_new(void);
struct tcp_pcb *__wrap_tcp_new(void) {
    context_t before = enter_call("socket");
    struct tcp_pcb *pcb = __real_tcp_new();
    tcptrace_call(tcptrace_conn_of(pcb), "socket");
    leave(before);
    return pcb;
}
#else // the sockets of lwIP's own API, in api_msg.c
struct tcp_pcb *__real_tcp_new_ip_type(u8_t type);
struct tcp_pcb *__wrap_tcp_new_ip_type(u8_t type) {
    context_t before = enter_call("socket");
    struct tcp_pcb *pcb = __real_tcp_new_ip_type(type);
    tcptrace_call(tcptrace_conn_of(pcb), "socket");
    leave(before);
    return pcb;
}

err_t __real_tcp_shutdown(struct tcp_pcb *pcb, int shut_rx, int shut_tx);
err_t __wrap_tcp_shutdown(struct tcp_pcb *pcb, int shut_rx, int shut_tx) {
    context_t before = enter_call("shutdown");
    tcptrace_call(tcptrace_conn_of(pcb), "shutdown");
    err_t err = __real_tcp_shutdown(pcb, shut_rx, shut_tx);
    leave(before);
    return err;
}
#endif

err_t __real_tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *ipaddr, u16_t port);
err_t __wrap_tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *ipaddr, u16_t port) {
    context_t before = enter_call("bind");
    put_call(tcptrace_conn_of(pcb), "bind", port);
    err_t err = __real_tcp_bind(pcb, ipaddr, port);
    leave(before);
    return err;
}

struct tcp_pcb *__real_tcp_listen_with_backlog_and_err(struct tcp_pcb *pcb, u8_t backlog, err_t *err);
struct tcp_pcb *__wrap_tcp_listen_with_backlog_and_err(struct tcp_pcb *pcb, u8_t backlog, err_t *err) {
    context_t before = enter_call("listen");
    put_call(tcptrace_conn_of(pcb), "listen", backlog);
    listening_ip = pcb != NULL ? pcbs_ip4(&pcb->local_ip) : 0;
    struct tcp_pcb *listener = __real_tcp_listen_with_backlog_and_err(pcb, backlog, err);
    leave(before);
    return listener;
}

err_t __real_tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *ipaddr, u16_t port, tcp_connected_fn connected);
err_t __wrap_tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *ipaddr, u16_t port, tcp_connected_fn connected) {
    context_t before = enter_call("connect");
    record_t *record = put_call(tcptrace_conn_of(pcb), "connect", UINT32_MAX);
    if (record != NULL && ipaddr != NULL) {
        record->addresses = true;
        record->remote_ip = pcbs_ip4(ipaddr);
        record->remote_port = port;
    }
    err_t err = __real_tcp_connect(pcb, ipaddr, port, connected);
    leave(before);
    return err;
}

err_t __real_tcp_close(struct tcp_pcb *pcb);
err_t __wrap_tcp_close(struct tcp_pcb *pcb) {
    context_t before = enter_call("close");
    tcptrace_call(tcptrace_conn_of(pcb), "close");
    err_t err = __real_tcp_close(pcb);
    leave(before);
    return err;
}

err_t __real_tcp_write(struct tcp_pcb *pcb, const void *data, u16_t length, u8_t flags);
err_t __wrap_tcp_write(struct tcp_pcb *pcb, const void *data, u16_t length, u8_t flags) {
    context_t before = enter_call("send");
    err_t err = __real_tcp_write(pcb, data, length, flags);
    if (err == ERR_OK) {
        put_call(tcptrace_conn_of(pcb), "send", length);
    }
    leave(before);
    return err;
}

void __real_tcp_recved(struct tcp_pcb *pcb, u16_t length);
void __wrap_tcp_recved(struct tcp_pcb *pcb, u16_t length) {
    context_t before = enter_call("recv");
    put_call(tcptrace_conn_of(pcb), "recv", length);
    __real_tcp_recved(pcb, length);
    leave(before);
}
