"""One style for all views: JupyterLab's theme variables, so that light and dark are right, and a layout for phones."""

from __future__ import annotations

from typing import Final

OK: Final = "#2e9e5b"
WARN: Final = "#d08a1d"
BAD: Final = "#d64545"
LINE: Final = "#3b82c4"

STYLE: Final = f"""<style>
.ms-view {{ color: var(--jp-ui-font-color1, #222); font-family: var(--jp-ui-font-family, sans-serif);
  font-size: 14px; line-height: 1.4; max-width: 1200px; }}
.widget-html-content:has(> .ms-view), .widget-html:has(.ms-view) {{ min-width: 0; max-width: 100%; }}
.ms-view h2 {{ font-size: 20px; margin: 0 0 2px; font-weight: 600; }}
.ms-view .ms-note {{ color: var(--jp-ui-font-color2, #666); font-size: 13px; }}
.ms-view .ms-tiles, .ms-view .ms-charts {{ display: grid; gap: 10px; margin: 12px 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }}
.ms-view .ms-charts {{ grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); }}
.ms-view .ms-tile, .ms-view figure {{ border: 1px solid var(--jp-border-color2, #ccc); border-radius: 6px;
  padding: 8px 12px; margin: 0; min-width: 0; background: var(--jp-layout-color1, transparent); }}
.ms-view .ms-tile b {{ display: block; font-size: 22px; font-variant-numeric: tabular-nums; }}
.ms-view figcaption {{ display: flex; gap: 12px; flex-wrap: wrap; font-size: 13px; }}
.ms-view figcaption i {{ display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 4px; }}
.ms-view .ms-scroll {{ overflow-x: auto; }}
.ms-view table {{ border-collapse: collapse; width: 100%; font-size: 13px; }}
.ms-view th, .ms-view td {{ text-align: left; padding: 4px 10px 4px 0; white-space: nowrap;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); color: inherit; }}
.ms-view th {{ color: var(--jp-ui-font-color2, #666); font-weight: 500; }}
.ms-view pre {{ white-space: pre-wrap; overflow-wrap: anywhere; max-height: 260px; overflow-y: auto; color: inherit;
  background: var(--jp-layout-color2, #eee); padding: 8px; border-radius: 6px; font-size: 12px; }}
.ms-view svg {{ display: block; }}
.ms-view h3 {{ font-size: 16px; margin: 0 0 2px; font-weight: 600; overflow-wrap: anywhere; }}
.ms-view a {{ color: var(--jp-content-link-color, {LINE}); }}
.ms-view .ms-nav {{ display: flex; flex-wrap: wrap; gap: 4px 18px; padding-bottom: 6px; margin-bottom: 6px;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); }}
.ms-view .ms-chip {{ display: inline-block; border: 1px solid var(--jp-border-color1, #bbb); border-radius: 10px;
  padding: 0 8px; margin: 1px 4px 1px 0; font-size: 12px; }}
.ms-view dl {{ display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 14px; margin: 4px 0 8px; }}
.ms-view dt {{ font-weight: 400; color: var(--jp-ui-font-color2, #666); }}
.ms-view dd {{ margin: 0; overflow-wrap: anywhere; }}
.widget-box.ms-browser {{ display: grid; grid-template-columns: 240px minmax(0, 1fr); gap: 18px; max-width: 1200px;
  overflow: visible; }}
.widget-box.ms-browser > .widget-box {{ min-width: 0; overflow: visible; }}
.ms-browser select, .ms-browser input {{ width: 100%; }}
.ms-view .ms-ok {{ color: {OK}; }} .ms-view .ms-warn {{ color: {WARN}; }} .ms-view .ms-bad {{ color: {BAD}; }}
@media (max-width: 600px) {{
  .ms-view .ms-tiles {{ grid-template-columns: repeat(2, 1fr); }}
  .ms-view .ms-tile b {{ font-size: 18px; }}
  .widget-box.ms-browser {{ grid-template-columns: minmax(0, 1fr); }}
  .ms-browser select[size] {{ max-height: 120px; }}
  #rendered_cells > div, .jp-Notebook, body[data-base-url] main {{ padding: 8px !important; }}
  .jp-OutputPrompt, .jp-OutputArea-prompt {{ display: none !important; }}
}}
</style>"""


def view(body: str) -> str:
    """*body* (safe HTML) in the frame that the style speaks of."""
    return f'<div class="ms-view">{body}</div>'
