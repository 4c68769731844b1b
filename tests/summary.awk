#
# SPDX-License-Identifier: BSD-2-Clause
#
# Copyright (c) 2026 The Extant Authors
#

#
# Reads what `kyua report` prints and ends it with the one line that everybody
# who runs the suite looks for.  An expected failure is a test that passed; a
# broken test is one that failed.  Exits 1 if a test failed or none ran.
#

# Test cases: 7 total, 1 skipped, 2 expected failures, 1 broken, 1 failed
/^Test cases: [0-9]+ total, / {
	total = $3
	for (i = 5; i < NF; i++) {
		if ($(i + 1) ~ /^skipped/)
			skipped = $i
		else if ($(i + 1) ~ /^(broken|failed)/)
			failed += $i
	}
}

END {
	passed = total - skipped - failed
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	exit (failed != 0 || passed <= 0)
}
