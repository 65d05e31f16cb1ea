# The emulated board: Arm MPS2 (AN385, AN500) as QEMU models it, built out of MicroPython's own
# ports/qemu with BOARD_DIR pointing here. Nothing is written into the source trees.
#
# The builder (host/lwipscope/firmware/build.py) passes
#   LWIP_ROOT            lwIP's tree (with src/)
#   LWIPSCOPE_FIRMWARE   this repository's firmware/ folder
#   LWIPSCOPE_GEN        folder of generated sources: src/core/tcp.c, src/core/tcp_in.c, extmod/modlwip.c
#   LWIPSCOPE_PROFILE    roomy | rp2 (see lwipopts.h)
#   LWIPSCOPE_UNPINNED   1: the sources are not the pinned ones
#   LWIPSCOPE_TRACER     0: without the tracer, as firmware that others publish
#   LWIPSCOPE_GRADING    1: programs can neither reach memory nor the trace (grading.c)
#   LWIPSCOPE_WORKAROUNDS  how many of MicroPython's defects are worked around: all, or 0

QEMU_ARCH = arm
QEMU_MACHINE ?= mps2-an385
LWIPSCOPE_PROFILE ?= roomy
LWIPSCOPE_UNPINNED ?= 0
LWIPSCOPE_WORKAROUNDS ?= 1
LWIPSCOPE_TRACER ?= 1
LWIPSCOPE_GRADING ?= 0

CFLAGS += -mthumb -mcpu=cortex-m3 -mfloat-abi=soft -g
CFLAGS += -DQEMU_SOC_MPS2
CFLAGS += -DMICROPY_HW_MCU_NAME='"Cortex-M3"'
CFLAGS += -DMP_CONFIGFILE='"lwipscope_mpconfig.h"'
CFLAGS += -DLWIPSCOPE_PROFILE_$(LWIPSCOPE_PROFILE)=1
CFLAGS += -DLWIPSCOPE_PROFILE_NAME='"$(LWIPSCOPE_PROFILE)"'
CFLAGS += -DLWIPSCOPE_UNPINNED=$(LWIPSCOPE_UNPINNED)
CFLAGS += -DLWIPSCOPE_WORKAROUNDS=$(LWIPSCOPE_WORKAROUNDS)
CFLAGS += -DLWIPSCOPE_TRACER=$(LWIPSCOPE_TRACER)
CFLAGS += -DLWIPSCOPE_GRADING=$(LWIPSCOPE_GRADING)

# The trace ring lies at the start of the second SSRAM, two pages of board.c at its end.
CFLAGS += -DTCPTRACE_RING_ADDRESS=0x20000000u -DTCPTRACE_RING_BYTES=0x3fe000u

# Our headers come before those of ports/qemu and of extmod/lwip-include.
INC += -I$(LWIPSCOPE_FIRMWARE)/port -I$(LWIPSCOPE_FIRMWARE)/tcptrace -I$(LWIP_ROOT)/src/include

LDSCRIPT ?= $(LWIPSCOPE_FIRMWARE)/port/mps2.ld
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o
MPY_CROSS_FLAGS += -march=armv7m
MICROPY_HEAP_SIZE ?= 1048576
ifneq ($(LWIPSCOPE_GRADING),0)
FROZEN_MANIFEST ?= $(LWIPSCOPE_FIRMWARE)/port/manifest_grading.py
# This one file's call of it is what programs reach as micropython.kbd_intr().
$(BUILD)/py/modmicropython.o: CFLAGS += -Dmp_hal_set_interrupt_char=lwipscope_kbd_intr
else ifneq ($(LWIPSCOPE_TRACER),0)
FROZEN_MANIFEST ?= $(LWIPSCOPE_FIRMWARE)/port/manifest.py
else
FROZEN_MANIFEST ?= $(LWIPSCOPE_FIRMWARE)/port/manifest_stock.py
endif
USER_C_MODULES ?= $(LWIPSCOPE_FIRMWARE)

# littlefs, as on most boards with flash: here for a filesystem in RAM (agent/lwip_files.py).
MICROPY_VFS_LFS2 = 1

# lwIP lives outside MicroPython's tree: its objects are named src/core/..., found along this path,
# where the generated copies come first.
MICROPY_PY_LWIP = 1
override LWIP_DIR := src
vpath %.c $(LWIPSCOPE_GEN) $(LWIP_ROOT)

# Functions that get a wrapper of ours at link time (ld --wrap); each is explained where it is defined.
LWIPSCOPE_WRAP = \
	uart_rx_chr mp_hal_stdio_poll mp_hal_stdout_tx_strn \
	mp_semihosting_init gc_helper_collect_regs_and_stack
ifneq ($(LWIPSCOPE_TRACER),0)
LWIPSCOPE_WRAP += \
	memp_malloc memp_free \
	tcp_input tcp_tmr ip4_output_if tcp_rst tcp_netif_ip_addr_changed \
	tcp_new tcp_bind tcp_listen_with_backlog_and_err tcp_connect tcp_close tcp_abort tcp_write tcp_recved
endif
ifneq ($(LWIPSCOPE_GRADING),0)
LWIPSCOPE_WRAP += mp_binary_get_size gc_realloc lwip_init
endif
ifneq ($(LWIPSCOPE_WORKAROUNDS),0)
LWIPSCOPE_WRAP += tcp_err tcp_recv
endif
comma := ,
LDFLAGS += $(addprefix -Wl$(comma)--wrap=,$(LWIPSCOPE_WRAP))
