"""The style of every page: light and dark, narrow and wide, and paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--page:#fff;--line:#d8dee4;
--head:#f3f5f8;--mark:#0b5cad;--alert:#b00020;--alarm:#fdecef}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a3abb5;--page:#15181c;--line:#363c44;
--head:#1f242a;--mark:#79b8ff;--alert:#ff8a96;--alarm:#3a1d22}}
*{box-sizing:border-box}
body{font:16px/1.5 FONTS;color:var(--ink);background:var(--page);max-width:72rem;
margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:0 0 .6rem}
h2{font-size:1.2rem;margin:2.2rem 0 .8rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1.05rem}h1,h2,h3{line-height:1.25;break-after:avoid}
p{white-space:pre-line;max-width:50rem;margin:.6rem 0}
.wide{overflow-x:auto;overflow-wrap:normal}table{border-collapse:collapse;margin:1rem 0 .3rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}thead{display:table-header-group}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;white-space:pre-wrap}th{background:var(--head)}
.text{min-width:18rem}.number{text-align:right;font-variant-numeric:tabular-nums}tr,figure{break-inside:avoid}
figure{margin:1.5rem 0}img{max-width:100%;height:auto;background:#fff;vertical-align:top}
picture img{background:none}.lead{margin:1rem 0}
.lead img{max-height:max(16rem,62vh);width:auto;border-radius:.4rem}
figcaption{font-weight:600;margin-bottom:.4rem}
.note,footer{color:var(--soft)}
dl{display:grid;grid-template-columns:fit-content(40%) minmax(0,1fr);gap:.2rem 1rem}
dt{font-weight:600}dd{margin:0;white-space:pre-line}
.numbers{grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem;margin:1rem 0}
.numbers div{display:flex;flex-direction:column;min-width:0;padding:.55rem .8rem;
background:var(--head);border-left:3px solid var(--mark);border-radius:.2rem}
.numbers dt{font-weight:400;font-size:.875rem;color:var(--soft)}
.numbers dd{font-size:1.35rem;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums}
.numbers dd.note{font-size:.8125rem;font-weight:400}
.warning{border-left:4px solid var(--alert);padding:.4rem .8rem;background:var(--alarm)}
footer{margin-top:2rem;border-top:1px solid var(--line);font-size:.875rem}
@media(max-width:40rem){body{margin:1rem auto}
dl{grid-template-columns:fit-content(45%) minmax(0,1fr);gap:.35rem .8rem}
.numbers{grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.4rem}
.numbers dd{font-size:1.1rem}.numbers div{padding:.4rem .6rem}
.lead img{max-height:max(12rem,42vh)}}@page{margin:12mm}
@media print{:root{--ink:#000;--soft:#444;--page:#fff;--line:#bbb;--head:#eee;--alert:#b00020;
--alarm:#fdecef}body{margin:0;max-width:none;font-size:9pt}
.wide{overflow:visible}th,td{padding:.12rem .35rem}img,.lead img{max-height:240mm}}
"""
