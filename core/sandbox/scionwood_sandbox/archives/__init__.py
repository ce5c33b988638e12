"""Archives that a stranger made: their size and names are checked before anything is unpacked.

A small archive can claim or hide gigabytes (a zip bomb), name files outside its folder (zip slip),
or hold links. All of this is refused before a byte is written, and no more than the permitted size
is ever inflated, whatever the headers claim.
"""
