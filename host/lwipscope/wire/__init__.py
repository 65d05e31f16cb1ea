"""Where frames travel: packet codec, switch, namespace with TAP, captures."""
