import ArgumentParser
import Experiments

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "One HTML page over runs: figures, a table, configurations, machines.",
    discussion: """
      The page is one file that needs no network, no server and nothing beside it; it opens in any browser, prints, and \
      follows the reader's light or dark theme. Figures are drawn by gnuplot; without it the page has tables only.
      """)

  @Argument(help: "Runs, sweeps, or folders that hold them.", completion: .directory)
  var folders: [String] = ["Results"]
  @Option(name: .shortAndLong, help: ArgumentHelp("The page.", valueName: "file.html"))
  var output = "report.html"
  @Option(
    name: .long, parsing: .singleValue, help: "Metrics (globs) to draw and tabulate; all accuracies if left out.")
  var metric: [String] = []
  @Option(help: "What error bars and ± are: deviation, error (of the mean) or interval (95 %, Student's t).")
  var spread: Uncertainty = .deviation
  @Option(help: "The page's title; the experiment's name if left out.")
  var title: String?
  @Option(
    help: ArgumentHelp("Keeps every figure's script, data and picture there, to be restyled.", valueName: "folder"))
  var figures: String?

  func run() throws {
    var request = ReportPage.Request()
    (request.metrics, request.title, request.figures) = (metric, title, figures)
    request.uncertainty = spread
    var report: ReportPage
    do { report = try ReportPage(folders: folders, request) } catch { throw Failure(status: 2, message: "\(error)") }
    do { try report.write(to: output) } catch { throw Failure(status: 1, message: "\(error)") }
    for note in report.notes { Main.complain(note) }
    print(output)
  }
}
