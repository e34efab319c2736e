import ArgumentParser
import Experiments

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists what a configuration can name.")

  @Argument(help: "models, datasets, devices, hardware, stages or layers; all if left out.")
  var what: Catalogue?

  func run() throws {
    for kind in what.map({ [$0] }) ?? Catalogue.allCases { print(kind.listing(titled: what == nil)) }
  }
}

struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract:
      "Describes a model (layers, shapes, parameters, MACs), data set, device, hardware, stage, layer, or a configuration's models."
  )

  @Argument(help: "A name that `simengine list` shows, or a configuration file.")
  var name: String
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Changes an option: width=2, or a key of the file.", valueName: "path=value"))
  var set: [String] = []
  @Option(help: ArgumentHelp("Draws a device's pulse response as well.", valueName: "file.svg"))
  var figure: String?

  func run() throws {
    do {
      print(try Description.text(name, options: set))
      if let figure { try DeviceReport.draw(name, to: figure) }
    } catch { throw Failure(status: 2, message: "\(error)") }
  }
}

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Data sets: where from, licence, checksums.",
    subcommands: [DataList.self, DataFetch.self, DataVerify.self], defaultSubcommand: DataList.self)
}

struct DataList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Names, sizes, licences, whether they are here.")
  func run() throws { print(DataReport.list()) }
}

struct DataFetch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Says, or does, what a data set needs to be here.",
    discussion: "Ends with status 1 while a set that was named is not here.")
  @Argument(help: "Names of data sets; all if left out.") var names: [String] = []
  @Flag(help: "Runs the command that installs a Debian package, instead of printing it.") var install = false
  func run() throws {
    try requireKnown(names)
    do {
      let (text, isHere) = try DataReport.fetch(names, install: install)
      print(text)
      if !isHere { throw Failure(status: 1, message: "") }
    } catch let failure as Failure { throw failure } catch { throw Failure(status: 1, message: "\(error)") }
  }
}

struct DataVerify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Compares files with their published checksums.")
  @Argument(help: "Names of data sets; all that are here if left out.") var names: [String] = []
  func run() throws {
    try requireKnown(names)
    do {
      let (text, isGood) = try DataReport.verify(names)
      print(text)
      if !isGood { throw Failure(status: 1, message: "") }
    } catch let failure as Failure { throw failure } catch { throw Failure(status: 1, message: "\(error)") }
  }
}

/// Refuses names of data sets that nobody knows; a wrong use, not a failure.
private func requireKnown(_ names: [String]) throws {
  do { try DataReport.requireKnown(names) } catch { throw Failure(status: 2, message: "\(error)") }
}

extension Catalogue: ExpressibleByArgument {}

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Tables over runs: mean ± standard deviation over seeds.",
    discussion: "Runs that differ in their seed alone are one row.")

  @Argument(help: "Runs, or folders that hold runs.", completion: .directory)
  var folders: [String] = ["Results"]
  @Option(
    name: .long, parsing: .singleValue, help: "Metrics (globs), such as '*.accuracy'; all accuracies if left out.")
  var metric: [String] = []
  @Option(
    name: .customLong("where"), parsing: .singleValue,
    help: ArgumentHelp("Only runs whose configuration has this value.", valueName: "path=value"))
  var conditions: [String] = []
  @Option(help: "Sorts by a metric, the largest first.")
  var sort: String?
  @Option(help: "table, markdown, csv or json.")
  var format: Comparison.Format = .table

  func run() throws {
    do {
      let comparison = try Comparison(folders: folders, metrics: metric, conditions: conditions, sort: sort)
      for note in comparison.notes { Main.complain(note) }
      print(comparison.text(format))
    } catch { throw Failure(status: 2, message: "\(error)") }
  }
}

extension Comparison.Format: ExpressibleByArgument {}
