"""The style of shared pages: light and dark, from a phone to a wide screen."""

from __future__ import annotations

STYLE = """
:root{--paper:#f6f3ee;--card:#fffdf9;--ink:#1c1917;--soft:#766f67;--line:#e4ddd3;--light:#b3371f;
--on-light:#fff;--shade:0 24px 60px -28px rgb(60 30 10/.45)}
@media(prefers-color-scheme:dark){:root{--paper:#0f0d0c;--card:#191614;--ink:#f4efe9;
--soft:#a39a90;--line:#2c2724;--light:#ff7a5c;--on-light:#1a0b06;
--shade:0 30px 80px -30px rgb(0 0 0/.9)}}
*{box-sizing:border-box;margin:0}
html{-webkit-text-size-adjust:100%}
body{background:var(--paper);color:var(--ink);min-height:100vh;
font:16px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Apple SD Gothic Neo",
"Noto Sans KR","Noto Sans CJK KR",sans-serif;-webkit-font-smoothing:antialiased}
main{max-width:66rem;margin:0 auto;padding:clamp(1.25rem,5vw,4.5rem) clamp(1rem,4vw,2.5rem) 5rem}
.hero{display:grid;gap:clamp(1.75rem,5vw,4rem);align-items:center}
.stage{display:flex;justify-content:center}
.stage video,.stage img{display:block;width:auto;height:auto;max-width:100%;max-height:78vh;
border-radius:18px;background:#000;box-shadow:var(--shade)}
.eyebrow{color:var(--light);font-size:.8rem;font-weight:650;letter-spacing:.08em;
text-transform:uppercase}
h1{font-size:clamp(2.2rem,6vw,3.6rem);line-height:1.08;letter-spacing:-.025em;font-weight:700;
margin:.5rem 0 .75rem;text-wrap:balance;word-break:keep-all;overflow-wrap:anywhere}
.facts{color:var(--soft);font-variant-numeric:tabular-nums}
.about{color:var(--soft);font-size:.9rem;margin-top:1.75rem;max-width:32ch;word-break:keep-all}
a{color:var(--light);text-underline-offset:3px}
a:focus-visible,video:focus-visible{outline:3px solid var(--light);outline-offset:3px}
.button{display:inline-block;margin-top:1.5rem;padding:.8rem 1.35rem;border-radius:999px;
background:var(--light);color:var(--on-light);font-weight:650;text-decoration:none;
font-variant-numeric:tabular-nums}
.button:hover{filter:brightness(1.08)}
section+section{margin-top:clamp(2.75rem,7vw,4.5rem)}
h2{font-size:1.05rem;font-weight:650;letter-spacing:-.01em;margin-bottom:1rem;
padding-bottom:.75rem;border-bottom:1px solid var(--line)}
.grid{display:grid;gap:clamp(.7rem,2vw,1.1rem);
grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr))}
figure{background:var(--card);border:1px solid var(--line);border-radius:14px;overflow:hidden}
figure video,figure img{display:block;width:100%;height:auto;background:#000}
figcaption{display:flex;justify-content:space-between;gap:.75rem;padding:.65rem .85rem;
font-size:.88rem}
figcaption a,.list a{text-decoration:none;font-weight:600;white-space:nowrap}
figcaption a:hover,.list a:hover{text-decoration:underline}
.list{list-style:none;padding:0;border:1px solid var(--line);border-radius:14px;
background:var(--card);overflow:hidden}
.list li{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem .9rem;padding:.85rem 1rem}
.list li+li{border-top:1px solid var(--line)}
.kind{font-size:.68rem;font-weight:700;letter-spacing:.05em;color:var(--soft);
border:1px solid var(--line);border-radius:6px;padding:.2rem .4rem;min-width:3.1rem;
text-align:center}
.name{flex:1 1 12rem;overflow-wrap:anywhere}
.size{color:var(--soft);font-size:.88rem;font-variant-numeric:tabular-nums}
.gone{min-height:100vh;display:grid;place-items:center;text-align:center;padding-bottom:5rem}
.gone p{color:var(--soft);max-width:36ch;text-wrap:balance;margin:0 auto;word-break:keep-all}
.gone h1{font-size:clamp(1.6rem,5vw,2.4rem)}
.frame{width:5.5rem;height:7rem;margin:0 auto 1.75rem;border:2px solid var(--line);
border-radius:12px;background:linear-gradient(160deg,var(--card),var(--paper))}
@media(min-width:54rem){.hero{grid-template-columns:minmax(0,1.15fr) minmax(0,1fr)}
.stage{justify-content:flex-end}
.grid{grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr))}}
@media(prefers-reduced-motion:no-preference){.button{transition:filter .15s}}
"""
