// What ThreadSanitizer reports and is not ours to mend: mimalloc 2.0.9 reads one flag of a page while the page's
// own thread may set the other, in the same byte.
extern "C" const char* __tsan_default_suppressions() { return "race_top:mi_page_has_aligned\n"; }
