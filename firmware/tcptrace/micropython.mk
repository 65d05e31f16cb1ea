# For USER_C_MODULES of MicroPython's make ports. Two ways in: the emulated board (firmware/port/mpconfigboard.mk,
# which generates and wraps by itself), and a folder made by `lwipscope firmware overlay` (see README.md there).
ifneq ($(LWIPSCOPE_TRACER),0)
TCPTRACE_DIR := $(USERMOD_DIR)
SRC_USERMOD_C += $(TCPTRACE_DIR)/modtcptrace.c
SRC_USERMOD_LIB_C += \
	$(TCPTRACE_DIR)/calls.c \
	$(TCPTRACE_DIR)/command.c \
	$(TCPTRACE_DIR)/hooks.c \
	$(TCPTRACE_DIR)/line.c \
	$(TCPTRACE_DIR)/pcbs.c \
	$(TCPTRACE_DIR)/ring.c \
	$(TCPTRACE_DIR)/stream.c
ifdef LWIPSCOPE_FIRMWARE
CFLAGS_USERMOD += -DTCPTRACE_PORT_HEADER='"port_emulated.h"'
endif
TCPTRACE_OVERLAY := $(wildcard $(TCPTRACE_DIR)/overlay)
ifneq ($(TCPTRACE_OVERLAY),)
SRC_USERMOD_LIB_C += $(TCPTRACE_DIR)/port_default.c
CFLAGS_USERMOD += -DTCPTRACE_OVERLAY=1 -I$(TCPTRACE_DIR)
tcptrace_comma := ,
LDFLAGS_USERMOD += $(addprefix -Wl$(tcptrace_comma)--wrap=,tcp_new $(shell cat $(TCPTRACE_DIR)/wraps.txt))
# The objects of lwIP and modlwip are named by paths below MicroPython's folder; the copies come first.
vpath %.c $(TCPTRACE_OVERLAY)
endif
endif
