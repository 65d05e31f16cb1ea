"""For classes: one bundle with which lwipscope is installed without network or compiler."""
