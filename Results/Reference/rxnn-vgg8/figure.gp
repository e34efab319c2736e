set terminal svg size 720,480 dynamic enhanced font "sans,13" background rgb "white"
set output "figure.svg"
set encoding utf8
set title "RxNN: VGG-8 on CIFAR-10 trained ideally, written to crossbars of growing size,\nre-trained on them for an epoch" noenhanced
set xlabel "crossbar size (word lines = bit lines)" noenhanced
set ylabel "accuracy (%)"
set grid lc rgb "#cccccc"; set border 3; set tics nomirror; set key below noenhanced maxcols 3 height 1.5
set logscale x
set xtics ("16" 16, "32" 32, "64" 64, "128" 128)
set xrange [13.913:147.2]
colours = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #F0E442"
plot "figure.dat" index 0 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 1) title "ideal", \
     "figure.dat" index 1 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 2) title "written", \
     "figure.dat" index 2 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 3) title "re-trained"
