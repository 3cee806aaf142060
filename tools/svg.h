/* svg.h - a drawing of a plan's steps, by Graphviz where that is installed. */
#ifndef TOOL_SVG_H
#define TOOL_SVG_H

#include <jansson.h>

/* `steps`: the objects of einjit_explain's stage "steps". TOOL_OK, or TOOL_FAILED after a message. */
int svg_write(const json_t *steps, const char *title, const char *path);

#endif
