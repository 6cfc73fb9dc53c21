#include "coordinator/cli/commands/estimate_view.h"

#include <cstdio>

#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

std::string Cost(double cost) {
  char text[32];
  std::snprintf(text, sizeof text, cost < 0.01 ? "%.4f" : "%.2f", cost);
  return text;
}

}  // namespace

Document EstimateDocument(const v1::Estimate& e) {
  const v1::MemoryEstimate& m = e.memory();
  Document document = {{"device", e.device()},
                       {"parameters", e.parameters()},
                       {"trainableParameters", e.trainable_parameters()},
                       {"memoryBytes",
                        {{"total", m.total_bytes()},
                         {"weights", m.weights_bytes()},
                         {"trained", m.trained_bytes()},
                         {"optimizer", m.optimizer_bytes()},
                         {"activations", m.activations_bytes()},
                         {"working", m.working_bytes()},
                         {"process", m.process_bytes()}}},
                       {"steps", e.steps()},
                       {"tokens", e.tokens()},
                       {"fits", e.fits()}};
  if (e.has_tokens_per_second()) document["tokensPerSecond"] = e.tokens_per_second();
  if (e.has_seconds()) document["seconds"] = e.seconds();
  if (e.has_cost()) document["cost"] = e.cost();
  document["remedies"] = Document::array();
  for (const std::string& remedy : e.remedies()) document["remedies"].push_back(remedy);
  document["assumptions"] = Document::array();
  for (const std::string& line : e.assumptions()) document["assumptions"].push_back(line);
  return document;
}

std::string EstimateText(const v1::Estimate& e) {
  const v1::MemoryEstimate& m = e.memory();
  Table table({{"ESTIMATE"}, {"", Align::kRight}});
  table.AddRow({"device", e.device()});
  table.AddRow({"parameters", FormatCount(e.parameters())});
  table.AddRow({"trained", FormatCount(e.trainable_parameters())});
  table.AddRow({"memory", FormatBytes(m.total_bytes())});
  table.AddRow({"  weights", FormatBytes(m.weights_bytes())});
  table.AddRow({"  trained values", FormatBytes(m.trained_bytes())});
  table.AddRow({"  optimizer", FormatBytes(m.optimizer_bytes())});
  table.AddRow({"  activations", FormatBytes(m.activations_bytes())});
  table.AddRow({"  working space", FormatBytes(m.working_bytes())});
  table.AddRow({"  process", FormatBytes(m.process_bytes())});
  table.AddRow({"steps", std::to_string(e.steps())});
  table.AddRow({"tokens", FormatCount(e.tokens())});
  if (e.has_tokens_per_second()) table.AddRow({"tokens/s", FormatCount(e.tokens_per_second())});
  if (e.has_seconds()) table.AddRow({"time", FormatDuration(e.seconds())});
  if (e.has_cost()) table.AddRow({"cost", Cost(e.cost())});
  std::string text = table.Render();
  if (!e.fits()) text += "\nIt does not fit: no node's device has that much memory.\n";
  for (const std::string& remedy : e.remedies()) text += "  would fit: " + remedy + "\n";
  for (const std::string& line : e.assumptions()) text += "note: " + line + "\n";
  return text;
}

std::string EstimateLine(const v1::Estimate& e) {
  std::string line = "about " + FormatBytes(e.memory().total_bytes()) + " of memory";
  if (e.has_seconds()) line += ", " + FormatDuration(e.seconds());
  if (e.has_cost()) line += ", costs " + Cost(e.cost());
  line += " (" + std::to_string(e.steps()) + " steps on " + e.device() + ")";
  return e.fits() ? line : line + "; it does not fit";
}

}  // namespace lathe::cli
