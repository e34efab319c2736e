import ArgumentParser
import Experiments

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Tables over runs: mean ± standard deviation over seeds.",
    discussion: """
      Runs that differ in their seed alone are one row. Paths of the configuration may be shortened to an end that is \
      unique, adcBits for models.crossbar.hardware.converters.adcBits, or that no run has twice: prune.share for stages \
      at different places of several experiments. Experiments' names are the path "name".

        simengine compare Results/adc --rows wireResistance --columns adcBits
        simengine compare Results/adc --baseline adcBits=8 --where 'wireResistance<10' --sort test.accuracy
        simengine compare Results/pruned Results/scratch --rows prune.share --columns name --figure accuracy.svg

      A baseline's differences are tested by Student's paired t-test over the seeds that both rows have. Diverged and \
      failed runs are counted in the table and enter no mean.
      """)

  @Argument(help: "Runs, sweeps, or folders that hold them; before the options.", completion: .directory)
  var folders: [String] = ["Results"]
  @Option(
    name: .long, parsing: .singleValue,
    help: "Metrics (globs), such as '*.accuracy', or seconds, 'timings.*'; all accuracies if left out.")
  var metric: [String] = []
  @Option(name: .long, parsing: .upToNextOption, help: ArgumentHelp("Paths that name the rows.", valueName: "path"))
  var rows: [String] = []
  @Option(
    name: .long, parsing: .upToNextOption,
    help: ArgumentHelp("Paths whose values are columns; a table for each metric.", valueName: "path"))
  var columns: [String] = []
  @Option(
    name: .customLong("where"), parsing: .singleValue,
    help: ArgumentHelp("Only runs whose configuration has this value; also != < <= > >=.", valueName: "path=value"))
  var conditions: [String] = []
  @Option(
    help: ArgumentHelp(
      "What rows are compared with: values, a point's label, an experiment's name, or a run id.",
      valueName: "path=value[,path=value]"))
  var baseline: String?
  @Option(
    name: .long, parsing: .upToNextOption,
    help: ArgumentHelp("Paths to average over, besides seeds.", valueName: "path"))
  var average: [String] = []
  @Option(help: "Sorts by a metric, the largest first, or a path, the smallest first; --sort=-NAME turns it round.")
  var sort: String?
  @Option(help: "What stands behind ±: deviation, error (of the mean) or interval (95 %, Student's t).")
  var spread: Uncertainty = .deviation
  @Option(help: "table, markdown, csv or json.")
  var format: Comparison.Format = .table
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Draws the table as well: the first path of --rows along x, all else as lines with error bars; NAME.svg, or "
        + "NAME.gp for the script with its data.", valueName: "file"), completion: .file(extensions: ["svg", "gp"]))
  var figure: [String] = []

  func run() throws {
    var request = Comparison.Request()
    request.metrics = metric
    request.conditions = conditions
    request.sort = sort
    request.rows = rows
    request.columns = columns
    request.baseline = baseline
    request.averaged = average
    request.uncertainty = spread
    do {
      let comparison = try Comparison(folders: folders, request)
      for note in comparison.notes { Main.complain(note) }
      print(comparison.text(format))
      for note in try comparison.draw(into: figure) { Main.complain(note) }
    } catch { throw Failure(status: 2, message: "\(error)") }
  }
}

extension Comparison.Format: ExpressibleByArgument {}
extension Uncertainty: ExpressibleByArgument {}
