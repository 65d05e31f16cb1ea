"""Signs of deviations: what in a life's events shows that a known deviation was at work.

`SIGNS` has one pure function (in the modules `signs_of_*`) for each deviation of
`lwipscope.tcp.deviations` that can be told from the board's evidence: events, segments, errnos.
`signs_in` asks them all. The others need what is not recorded, such as a call that would have
blocked: their scenarios insist on them. A sign is strict: it may miss a deviation that hardly
showed, it must not see one that was not there.
"""

from __future__ import annotations

from collections.abc import Sequence

from lwipscope.tcp.state import State
from lwipscope.trace.event import Event
from lwipscope.trace.life_story import LifeStory, Sign
from lwipscope.trace.signs_of_ends import (
    address_change,
    arp_holds_syn,
    duplicate_syn_counts,
    ends,
    syn_gives_up_early,
    timer_frozen,
)
from lwipscope.trace.signs_of_opening import (
    accept_queue_full,
    bad_ack_burns,
    connect_timeout_leaves,
    fin_after_data_dropped,
    half_open_reset_late,
    listener_stays,
    listens_on_port_0,
    orphans,
    predictable_isn,
    returned,
    rst_without_ack,
    simultaneous_open_absent,
    syn_ack_data_ignored,
)
from lwipscope.trace.signs_of_segments import (
    ack_before_sequence,
    byte_swapped,
    challenges,
    no_half_close,
    rst_in_time_wait,
    rst_with_ack,
    silent_after_close,
    time_wait_refuses_syn,
    urgent_ignored,
    window_shrink_ignored,
    without_ack,
)


def signs_in(events: Sequence[Event]) -> set[str]:
    """The names of the deviations that these events of one life show."""
    story = LifeStory(events)
    return {name for name, sign in SIGNS.items() if sign(story)}


SIGNS: dict[str, Sign] = {
    "simultaneous-open-absent": simultaneous_open_absent,
    "listen-to-syn-sent-absent": listener_stays,
    "bad-ack-in-syn-sent-burns-retries": bad_ack_burns,
    "rst-without-ack-in-syn-sent": rst_without_ack,
    "syn-ack-data-ignored": syn_ack_data_ignored,
    "syn-gives-up-early": syn_gives_up_early,
    "arp-holds-syn": arp_holds_syn,
    "syn-rcvd-duplicate-syn-counts": duplicate_syn_counts,
    "predictable-isn": predictable_isn,
    "ack-processed-before-sequence-check": ack_before_sequence,
    "segment-without-ack-taken": without_ack,
    "window-shrink-ignored": window_shrink_ignored,
    "challenge-ack-unlimited": challenges,
    "urgent-ignored": urgent_ignored,
    "rst-window-byte-swapped": byte_swapped,
    "rst-always-with-ack": rst_with_ack,
    "rst-ignored-in-time-wait": rst_in_time_wait,
    "time-wait-refuses-syn": time_wait_refuses_syn,
    "pcb-timer-frozen-at-close": timer_frozen,
    "fin-wait-2-times-out": ends("timer", "FIN_WAIT_2", State.FIN_WAIT_2),
    "last-ack-times-out-silently": ends("timer", "LAST_ACK", State.LAST_ACK),
    "data-and-fin-after-close-silent": silent_after_close,
    "time-wait-killed-for-memory": ends("kill", "pool-empty", State.TIME_WAIT),
    "closing-killed-for-memory": ends("kill", "pool-empty", State.CLOSING, State.LAST_ACK),
    "address-change-aborts": address_change,
    "refused-is-econnreset": returned("connect", "ECONNRESET", State.SYN_SENT, State.CLOSED),
    "connect-timeout-is-econnaborted": returned("connect", "ECONNABORTED"),
    "connect-timeout-leaves-syn-sent": connect_timeout_leaves,
    "recv-while-connecting-is-enotconn": returned("recv", "ENOTCONN", State.SYN_SENT),
    "listen-without-bind-port-0": listens_on_port_0,
    "accept-queue-full-resets": accept_queue_full,
    "fin-after-data-before-accept-dropped": fin_after_data_dropped,
    "listener-close-orphans": orphans,
    "listener-close-resets-half-open-late": half_open_reset_late,
    "no-half-close": no_half_close,
    "close-abort-10s": ends("timer", "close-abort"),
}
