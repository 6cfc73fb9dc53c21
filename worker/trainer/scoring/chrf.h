#pragma once
// How much a text is like another one. Pure.

#include <string_view>

namespace lathe::trainer::scoring {

/// chrF (Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015), from 0
/// to 1: with P and R the shares of the text's, of the reference's runs of n characters that the
/// other has too, averaged over those n from 1 to 6 of which both texts have runs,
///
///   chrF = (1 + b^2) P R / (b^2 P + R), b = 2
///
/// so that what is missing weighs more than what is too much. White space does not count; a run
/// that occurs several times counts as often as both have it. No word is cut from the next, so it
/// is as good for languages without spaces. 1 when both texts are empty, 0 when one of them is.
/// What is not UTF-8 counts by bytes.
double ChrF(std::string_view text, std::string_view reference);

}  // namespace lathe::trainer::scoring
