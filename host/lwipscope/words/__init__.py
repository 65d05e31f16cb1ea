"""The words of the product in two languages, English and Simplified Chinese.

`lang` chooses the language, `catalogue` translates, `width` lays out mixed text. English is the key
of every short text; the Chinese ones are in `zh/*.toml`. `python -m lwipscope.words` tells what has
no twin, or one that nothing uses any more.
"""
