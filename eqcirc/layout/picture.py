"""Pictures of a layout, drawn by klayout as its own window would show it."""

from __future__ import annotations

from klayout import db, lay

from eqcirc.layout.process import LAYERS
from eqcirc.report.style import BLUE, GREY, ORANGE, VERMILION

# resistor film at the bottom, columns on top; labels are texts, which klayout shows by itself
_LOOK = {
    "poly": (ORANGE, "I0"),
    "resistor": (VERMILION, "I9"),
    "metal1": (BLUE, "I5"),
    "metal2": (GREY, "I4"),
    "contact": ("#000000", "I0"),
    "via": ("#000000", "I0"),
}


def picture(
    layout: db.Layout, cell: str, box: db.DBox | None = None, size: tuple[int, int] = (1400, 1000)
) -> bytes:
    """Return a PNG of a cell.

    Args:
        layout: what holds it.
        cell: its name.
        box: part of it, in micrometres; all of it if None.
        size: in pixels.
    """
    view = lay.LayoutView()
    view.show_layout(layout.dup(), False)  # the view takes it over
    view.active_cellview().cell_name = cell
    view.clear_layers()
    for name, (colour, pattern) in _LOOK.items():
        properties = lay.LayerPropertiesNode()
        number, kind = LAYERS[name]
        properties.source = f"{number}/{kind}"
        properties.fill_color = properties.frame_color = int(colour[1:], 16)
        properties.dither_pattern = int(pattern[1:])
        properties.width = 1
        view.insert_layer(view.end_layers(), properties)
    view.max_hier()
    view.set_config("background-color", "#ffffff")
    view.set_config("grid-visible", "false")
    view.set_config("text-visible", "false")
    if box is None:
        view.zoom_fit()
    else:
        view.zoom_box(box)
    return bytes(view.get_pixels_with_options(*size, oversampling=2).to_png_data())
