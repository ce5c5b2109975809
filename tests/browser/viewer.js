// What the flame graph page uses of its viewer; bundled into
// src/http/ui/viewer/viewer.js.
import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";

globalThis.heapprof = { flamegraph, select };
