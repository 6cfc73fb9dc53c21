#include "coordinator/cli/client/configuration_source.h"
#include "coordinator/cli/command_line/registry.h"
#include "coordinator/cli/commands/config.h"
#include "coordinator/cli/commands/config_library.h"

namespace lathe::cli {
namespace {

constexpr char kSavedHelp[] = "NAME of one of your own, OWNER/NAME of a shared one";
constexpr char kFileHelp[] = "YAML or JSON in any dialect; - is standard input";

void AddSchemaAndTemplates(CLI::App& group, Run& chosen) {
  const auto schema = std::make_shared<ConfigSchemaOptions>();
  CLI::App* command = AddCommand(group, "schema", "Every parameter; JSON Schema with -o json",
                                 "  lathe config schema -o json > schema.json\n"
                                 "  lathe config schema --markdown > parameters.md");
  command->add_flag("--markdown", schema->markdown, "The reference document");
  OnChosen(command, chosen, schema, &RunConfigSchema);

  const auto templates = std::make_shared<ConfigTemplatesOptions>();
  command = AddCommand(group, "templates", "Configurations to begin with, or one of them as a file",
                       "  lathe config templates\n"
                       "  lathe config templates lora_quickstart > job.yaml");
  command->add_option("NAME", templates->name, "Print this one");
  OnChosen(command, chosen, templates, &RunConfigTemplates);
}

void AddValidateAndConvert(CLI::App& group, Run& chosen) {
  const auto validate = std::make_shared<ConfigValidateOptions>();
  CLI::App* command =
      AddCommand(group, "validate", "Check a configuration file",
                 "  lathe config validate job.yaml\n  lathe config validate - < old.json\n"
                 "  lathe config validate job.yaml --set schedule.epochs=5 --explain\n"
                 "  lathe config validate job.yaml --provider together\n"
                 "Without --provider no coordinator is asked. With it the limits of that engine "
                 "count too; lathe is this cluster, with its models and what its workers can do. "
                 "Whether data is stored is checked by lathe submit --dry-run.");
  command->add_option("FILE,-f,--file", validate->file, kFileHelp)->required()->type_name("FILE");
  command->add_option("--from", validate->from, "Its dialect; told by its shape unless given")
      ->check(CLI::IsMember(DialectTokens()))
      ->type_name("DIALECT");
  command->add_option("--set", validate->set, "Set one parameter; may be given several times")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--provider", validate->provider,
                   "Engine that is to take it, as lathe provider list shows it")
      ->type_name("ENGINE");
  command->add_flag("--explain", validate->explain,
                    "Every value that a job would get, and where it comes from");
  OnChosen(command, chosen, validate, &RunConfigValidate);

  const auto convert = std::make_shared<ConfigConvertOptions>();
  command = AddCommand(group, "convert", "A configuration file in another dialect",
                       "  lathe config convert old.json --to universal > job.json\n"
                       "  lathe config convert job.yaml --to sectioned -o json");
  command->add_option("FILE", convert->file, kFileHelp)->required();
  command->add_option("--to", convert->to, "The wanted dialect")
      ->required()
      ->check(CLI::IsMember(DialectTokens()))
      ->type_name("DIALECT");
  command->add_option("--from", convert->from, "The file's; told by its shape unless given")
      ->check(CLI::IsMember(DialectTokens()))
      ->type_name("DIALECT");
  OnChosen(command, chosen, convert, &RunConfigConvert);
}

void AddDiff(CLI::App& group, Run& chosen) {
  const auto options = std::make_shared<ConfigDiffOptions>();
  CLI::App* command =
      AddCommand(group, "diff", "Where two configurations differ: files, templates, saved ones",
                 "  lathe config diff job.yaml my-config\n"
                 "  lathe config diff template:dpo_basic saved:ann/dpo --all\n"
                 "file:, template: and saved: say what is meant where a name could be several.");
  command->add_option("A", options->left, "File, template or saved configuration")->required();
  command->add_option("B", options->right, "The other side")->required();
  command->add_flag("--all", options->all, "Also what is equal");
  OnChosen(command, chosen, options, &RunConfigDiff);
}

void AddSave(CLI::App& group, Run& chosen) {
  const auto options = std::make_shared<ConfigSaveOptions>();
  CLI::App* command =
      AddCommand(group, "save", "Keep a configuration in your library",
                 "  lathe config save my-lora -f job.yaml --description 'r 8, all layers'\n"
                 "  lathe config save my-lora -f job.yaml --replace --etag 3\n"
                 "One with errors is saved too, marked as not valid, unless --require-valid.");
  command->add_option("NAME", options->name, "Its name, unique among yours")->required();
  command->add_option("-f,--file", options->file, kFileHelp)->type_name("FILE");
  command->add_option("--description", options->description, "For people")->type_name("TEXT");
  command
      ->add_option("--template", options->template_name,
                   "The template it began with; without -f what is saved")
      ->type_name("NAME");
  command
      ->add_flag("--shared{default}", options->project,
                 "Let a project's members see and use it; --shared alone: everybody")
      ->type_name("PROJECT");
  command->add_flag("--require-valid", options->require_valid, "Refuse one with errors");
  command->add_flag("--replace", options->replace, "Change the one of this name");
  command->add_option("--etag", options->etag, "Only if it is still as it was read")
      ->type_name("ETAG");
  command->add_option("--request-id", options->request_id, "Name of this request for retries")
      ->type_name("ID");
  OnChosen(command, chosen, options, &RunConfigSave);
}

void AddLibraryList(CLI::App& group, Run& chosen) {
  const auto options = std::make_shared<ConfigListOptions>();
  CLI::App* command = AddCommand(group, "list", "Saved configurations",
                                 "  lathe config list --order used --limit 10\n"
                                 "  lathe config list --shared --method qlora -o json");
  command->add_option("--name", options->name, "Only names that contain this")->type_name("TEXT");
  command->add_option("--template", options->template_name, "Only of this template")
      ->type_name("NAME");
  command->add_option("--method", options->method, "Only of this method")->type_name("METHOD");
  command->add_option("--base-model", options->base_model, "Only of this model")
      ->type_name("MODEL");
  CLI::Option* valid = command->add_flag("--valid", options->valid, "Only those without errors");
  command->add_flag("--invalid", options->invalid, "Only those with errors")->excludes(valid);
  command->add_option("--order", options->order, "name, updated or used; name unless given")
      ->check(CLI::IsMember({"name", "updated", "used"}))
      ->type_name("ORDER");
  CLI::Option* shared =
      command->add_flag("--shared{default}", options->project, "Those shared with a project");
  shared->type_name("PROJECT");
  command->add_flag("--all", options->all, "Everybody's, for services")->excludes(shared);
  command->add_option("--limit", options->limit, "At most this many; 0 for all; 50 unless given")
      ->type_name("N");
  OnChosen(command, chosen, options, &RunConfigList);
}

void AddLibraryEntry(CLI::App& group, Run& chosen) {
  const auto get = std::make_shared<ConfigGetOptions>();
  CLI::App* command = AddCommand(group, "get", "One saved configuration, or its file",
                                 "  lathe config get my-lora\n"
                                 "  lathe config get ann/dpo --download universal > job.json");
  command->add_option("NAME", get->name, kSavedHelp)->required();
  command->add_option("--download", get->download, "Print it as a file in this dialect")
      ->check(CLI::IsMember(DialectTokens()))
      ->type_name("DIALECT");
  OnChosen(command, chosen, get, &RunConfigGet);

  const auto copy = std::make_shared<ConfigCopyOptions>();
  command = AddCommand(group, "copy", "A copy of your own, private and unused",
                       "  lathe config copy ann/dpo my-dpo");
  command->add_option("NAME", copy->name, kSavedHelp)->required();
  command->add_option("COPY", copy->copy, "The copy's name")->required();
  OnChosen(command, chosen, copy, &RunConfigCopy);

  const auto remove = std::make_shared<ConfigDeleteOptions>();
  command = AddCommand(group, "delete", "Remove a saved configuration; jobs made from it stay",
                       "  lathe config delete my-lora");
  command->add_option("NAME", remove->name, kSavedHelp)->required();
  command->add_option("--etag", remove->etag, "Only if it is still as it was read")
      ->type_name("ETAG");
  OnChosen(command, chosen, remove, &RunConfigDelete);
}

}  // namespace

void AddConfigCommands(CLI::App& app, Run& chosen) {
  CLI::App* group = app.add_subcommand("config", "Job configurations: schema, checks, library");
  group->require_subcommand(1);
  AddSchemaAndTemplates(*group, chosen);
  AddValidateAndConvert(*group, chosen);
  AddDiff(*group, chosen);
  AddSave(*group, chosen);
  AddLibraryList(*group, chosen);
  AddLibraryEntry(*group, chosen);
}

}  // namespace lathe::cli
