// The board's Ethernet: an SMSC LAN9118 as lwIP network interface, polled; its interrupt only ends a
// sleep, so lwIP runs in one context.
//
// Source: SMSC LAN9118 data sheet (register names and offsets); base addresses from Arm AN385 and
// AN500; QEMU hw/net/lan9118.c, which presets the MAC address.

#include <string.h>

#include "board.h"
#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "netif/ethernet.h"

static uint32_t base = 0x40200000;
#define LAN(offset) REG32(base + (offset))

#define RX_DATA 0x00
#define TX_DATA 0x20
#define RX_STATUS 0x40
#define TX_STATUS 0x48
#define IRQ_CFG 0x54
#define INT_STS 0x58
#define INT_EN 0x5c
#define BYTE_TEST 0x64
#define FIFO_INT 0x68
#define RX_CFG 0x6c
#define TX_CFG 0x70
#define HW_CFG 0x74
#define RX_FIFO_INF 0x7c
#define TX_FIFO_INF 0x80
#define AFC_CFG 0xac
#define MAC_CMD 0xa4
#define MAC_DATA 0xa8
#define INT_RX_STATUS_LEVEL (1u << 3)
#define RX_STATUS_ERROR (1u << 15)
#define TX_STATUS_ERROR (1u << 15)
#define FRAME_MAX_BYTES (1536)

static struct netif netif;
static uint32_t frames_received, frames_sent;

static uint32_t mac_read(uint32_t index) {
    LAN(MAC_CMD) = 0xc0000000u | index;
    return LAN(MAC_DATA);
}

static void mac_write(uint32_t index, uint32_t value) {
    LAN(MAC_DATA) = value;
    LAN(MAC_CMD) = 0x80000000u | index;
}

bool lan_receive_pending(void) {
    return (LAN(RX_FIFO_INF) >> 16) & 0xff;
}

void lan_irq_mask(void) {
    LAN(INT_EN) = 0;
}

void lan_irq_unmask(void) {
    LAN(INT_STS) = INT_RX_STATUS_LEVEL;
    LAN(INT_EN) = INT_RX_STATUS_LEVEL;
}

uint32_t lan_frames_received(void) {
    return frames_received;
}

uint32_t lan_frames_sent(void) {
    return frames_sent;
}

struct netif *lan_netif(void) {
    return &netif;
}

static void drop_words(uint32_t words) {
    while (words-- > 0) {
        (void)LAN(RX_DATA);
    }
}

static void receive_one(void) {
    uint32_t status = LAN(RX_STATUS);
    uint32_t length = (status >> 16) & 0x3fff; // with the 4 bytes of the frame check sequence
    uint32_t words = (length + 3) / 4;
    if ((status & RX_STATUS_ERROR) || length < 18 || length > FRAME_MAX_BYTES) {
        drop_words(words);
        return;
    }
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(words * 4), PBUF_POOL);
    if (p == NULL) {
        drop_words(words);
        return;
    }
    static uint32_t frame[FRAME_MAX_BYTES / 4];
    for (uint32_t i = 0; i < words; i++) {
        frame[i] = LAN(RX_DATA);
    }
    pbuf_take(p, frame, (u16_t)(words * 4));
    pbuf_realloc(p, (u16_t)(length - 4));
    frames_received++;
    if (netif.input(p, &netif) != ERR_OK) {
        pbuf_free(p);
    }
}

void lan_poll(void) {
    while (lan_receive_pending()) {
        receive_one();
    }
}

static err_t transmit(struct netif *n, struct pbuf *p) {
    (void)n;
    static uint32_t frame[FRAME_MAX_BYTES / 4];
    uint32_t length = p->tot_len;
    if (length > FRAME_MAX_BYTES) {
        return ERR_BUF;
    }
    pbuf_copy_partial(p, frame, (u16_t)length, 0);
    while ((LAN(TX_FIFO_INF) & 0xffff) < length + 16) {
    }
    LAN(TX_DATA) = (1u << 13) | (1u << 12) | length; // command A: first and last segment
    LAN(TX_DATA) = (length << 16) | length;          // command B: tag and length
    for (uint32_t i = 0; i < (length + 3) / 4; i++) {
        LAN(TX_DATA) = frame[i];
    }
    while ((LAN(TX_FIFO_INF) >> 16) & 0xff) {
        (void)LAN(TX_STATUS);
    }
    frames_sent++;
    return ERR_OK;
}

static err_t interface_init(struct netif *n) {
    uint32_t high = mac_read(2), low = mac_read(3);
    n->name[0] = 'e';
    n->name[1] = 'n';
    n->hwaddr_len = ETH_HWADDR_LEN;
    for (int i = 0; i < 4; i++) {
        n->hwaddr[i] = (u8_t)(low >> (8 * i));
    }
    n->hwaddr[4] = (u8_t)high;
    n->hwaddr[5] = (u8_t)(high >> 8);
    n->mtu = 1500;
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    n->output = etharp_output;
    n->linkoutput = transmit;
    return ERR_OK;
}

bool lan_init(void) {
    if (board_application_note() == 0x500) {
        base = 0xa0000000;
    }
    if (LAN(BYTE_TEST) != 0x87654321) {
        return false;
    }
    LAN(HW_CFG) = 1; // soft reset
    while (LAN(HW_CFG) & 1) {
    }
    LAN(HW_CFG) = (5u << 16) | (1u << 20); // 5 kB for sending, the rest for receiving; must-be-one bit
    LAN(AFC_CFG) = 0x006e3740;
    LAN(INT_EN) = 0;
    LAN(INT_STS) = 0xffffffff;
    LAN(IRQ_CFG) = (1u << 24) | (1u << 8) | (1u << 4) | 1u; // enabled, active high, push-pull
    LAN(FIFO_INT) = 0x48000000;                             // interrupt at the first waiting frame
    LAN(RX_CFG) = 0;
    LAN(TX_CFG) = 2 | 4;                                             // on; status FIFO may overrun
    mac_write(1, (1u << 2) | (1u << 3) | (1u << 19) | (1u << 20));   // receive, send, full duplex, multicast
    if (netif_add(&netif, NULL, NULL, NULL, NULL, interface_init, ethernet_input) == NULL) {
        return false;
    }
    netif_set_default(&netif);
    netif_set_up(&netif);
    return true;
}
