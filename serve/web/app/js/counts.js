// How often parts of the page were made anew. The tests read them: a long chat stays
// fluid because old messages are not touched, and that can be counted where time cannot.
export const counts = { message: 0, blocks: 0, thread: 0 };
window.eclatCounts = counts;
